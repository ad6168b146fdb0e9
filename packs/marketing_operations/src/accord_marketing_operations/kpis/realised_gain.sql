-- name: realised_gain
-- title: Hours an applied recommendation really gave back
-- unit: h
-- better: higher
-- aggregate: mean
-- cluster: recommendation
-- window: all
-- dims: month
-- processes: optimization
-- covers: C4
-- source: C4 of the marketing-operations specification (realised gain per month)
-- note: Paid hours of corrections per deliverable before it was applied, less those since, times the deliverables since, as the step
--   measured it at the end of the window. Negative where it got worse. Grade D: what else changed meanwhile is in it.
-- example:
--   work_step(process, instance, activity, complete_at, attributes): ('optimization', 'r1', 'measured', '2025-01-03', '{"variables": {"measured": {"gain": 4, "money": 200}}}'), ('optimization', 'r2', 'measured', '2025-01-05', '{"variables": {"measured": {"gain": -1, "money": -50}}}'), ('optimization', 'r3', 'measured', '2025-01-05', '{"variables": {"measured": {"verdict": "too little data"}}}')
--   expect: 1.5
WITH measured AS (
    SELECT process, instance, complete_at AS at, attributes
    FROM work_step
    WHERE process = 'optimization' AND activity = 'measured'
)
SELECT instance AS cluster, CAST(attributes ->> '$.variables.measured.gain' AS DOUBLE) AS value, strftime("at", '%Y-%m') AS month, "at"
FROM measured
