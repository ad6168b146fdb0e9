-- name: improvement_success
-- title: Improvements with an effect beyond chance
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: improvement
-- window: all
-- processes: improvement
-- covers: C5
-- source: C5 of the marketing-operations specification (interval excludes 0 in the wanted direction)
-- note: Of the improvements that were judged, those whose metric moved in the wanted direction with an interval that excludes 0. One with too
--   little data counts as no success.
-- example:
--   work_step(process, instance, seq, activity, complete_at, attributes): ('improvement', 'i1', 1, 'measured', '2025-01-03', '{"variables": {"measured": {"verdict": "better"}}}'), ('improvement', 'i1', 2, 'judge', '2025-01-03', '{}'), ('improvement', 'i2', 3, 'measured', '2025-01-03', '{"variables": {"measured": {"verdict": "too little data"}}}'), ('improvement', 'i2', 4, 'judge', '2025-01-03', '{}')
--   expect: 0.5
WITH judged AS (
    SELECT
        j.instance,
        max(j.complete_at) AS at,
        arg_max(m.attributes ->> '$.variables.measured.verdict', m.seq) AS verdict
    FROM work_step AS j
    JOIN work_step AS m ON m.instance = j.instance AND m.activity = 'measured'
    WHERE j.process = 'improvement' AND j.activity = 'judge' AND j.event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY j.instance
)
SELECT instance AS cluster, CASE WHEN verdict = 'better' THEN 1 ELSE 0 END AS numerator, 1 AS denominator, "at"
FROM judged
