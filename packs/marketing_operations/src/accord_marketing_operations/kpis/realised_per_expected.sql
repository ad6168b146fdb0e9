-- name: realised_per_expected
-- title: Realised per expected effect of recommendations
-- unit: h/h
-- better: higher
-- aggregate: sum_ratio
-- cluster: recommendation
-- window: all
-- processes: optimization
-- covers: W6
-- source: W6 of the marketing-operations specification (realised/expected ratio)
-- note: Hours that applied recommendations gave back per hour that was expected of them; those whose effect could be measured. The expected
--   effect is that of a rule.
-- example:
--   work_step(process, instance, activity, complete_at, attributes): ('optimization', 'r1', 'recommend', '2025-01-01', '{"variables": {"recommendation": {"expected_effect": 8}}}'), ('optimization', 'r1', 'measured', '2025-01-03', '{"variables": {"measured": {"gain": 4}}}'), ('optimization', 'r2', 'recommend', '2025-01-01', '{"variables": {"recommendation": {"expected_effect": 2}}}')
--   expect: 0.5
SELECT
    m.instance AS cluster,
    CAST(m.attributes ->> '$.variables.measured.gain' AS DOUBLE) AS numerator,
    CAST(r.attributes ->> '$.variables.recommendation.expected_effect' AS DOUBLE) AS denominator,
    m.complete_at AS at
FROM work_step AS m
JOIN work_step AS r ON r.instance = m.instance AND r.activity = 'recommend'
WHERE m.process = 'optimization' AND m.activity = 'measured'
