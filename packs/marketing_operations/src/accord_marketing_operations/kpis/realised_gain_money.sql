-- name: realised_gain_money
-- title: Worth of the hours an applied recommendation gave back
-- unit: EUR
-- better: higher
-- aggregate: mean
-- cluster: recommendation
-- window: all
-- dims: month
-- processes: optimization
-- covers: C4
-- source: C4 of the marketing-operations specification (realised gain per month)
-- note: The realised gain at the value of a paid hour that the map declares with its owner.
-- example:
--   work_step(process, instance, activity, complete_at, attributes): ('optimization', 'r1', 'measured', '2025-01-03', '{"variables": {"measured": {"gain": 4, "money": 200}}}'), ('optimization', 'r2', 'measured', '2025-01-05', '{"variables": {"measured": {"gain": -1, "money": -50}}}')
--   expect: 75
WITH measured AS (
    SELECT process, instance, complete_at AS at, attributes
    FROM work_step
    WHERE process = 'optimization' AND activity = 'measured'
)
SELECT instance AS cluster, CAST(attributes ->> '$.variables.measured.money' AS DOUBLE) AS value, strftime("at", '%Y-%m') AS month, "at"
FROM measured
