-- name: plans_signed
-- title: Monthly plans signed by all teams that own them
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: month
-- window: all
-- processes: joint_cycles
-- covers: C1
-- source: C1 of the marketing-operations specification (plan signed by all owner teams)
-- note: Of the months whose joint planning began, those whose plan operations planning made and marketing, the studio, channel operations and
--   finance signed, in whichever version.
-- example:
--   work_instance(process, instance, case_id, started_at): ('joint_cycles', 'm1', '2025-01', '2025-01-02'), ('joint_cycles', 'm2', '2025-02', '2025-02-02')
--   work_step(process, instance, activity): ('joint_cycles', 'm1', 'joint_execution')
--   expect: 0.5
SELECT
    i.case_id AS cluster,
    CASE WHEN count(s.activity) > 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    min(i.started_at) AS at
FROM work_instance AS i
LEFT JOIN work_step AS s ON s.instance = i.instance AND s.activity = 'joint_execution'  -- reached only by the route of all signatures
WHERE i.process = 'joint_cycles'
GROUP BY i.case_id
