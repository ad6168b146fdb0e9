-- name: idea_to_verified_time
-- title: From an idea to its verified effect
-- unit: d
-- better: lower
-- aggregate: median
-- cluster: improvement
-- window: all
-- processes: improvement
-- covers: C5
-- source: C5 of the marketing-operations specification (median days idea to verified)
-- note: From the moment an accepted idea became an improvement to the judgement of its measured effect. Calendar days.
-- example:
--   work_instance(process, instance, started_at): ('improvement', 'i1', '2025-01-01')
--   work_step(process, instance, seq, activity, complete_at, attributes): ('improvement', 'i1', 1, 'measured', '2025-01-10', '{}'), ('improvement', 'i1', 2, 'judge', '2025-01-11', '{}')
--   expect: 10
WITH judged AS (
    SELECT
        j.instance,
        max(j.complete_at) AS at
    FROM work_step AS j
    JOIN work_step AS m ON m.instance = j.instance AND m.activity = 'measured'
    WHERE j.process = 'improvement' AND j.activity = 'judge' AND j.event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY j.instance
)
SELECT j.instance AS cluster, (epoch(j.at) - epoch(i.started_at)) / 86400.0 AS value, j.at
FROM judged AS j
JOIN work_instance AS i ON i.instance = j.instance
