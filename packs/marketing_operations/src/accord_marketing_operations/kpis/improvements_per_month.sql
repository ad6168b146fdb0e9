-- name: improvements_per_month
-- title: Improvements verified per month
-- unit: per month
-- better: higher
-- aggregate: mean
-- cluster: month
-- window: all
-- processes: improvement
-- covers: C5
-- source: C5 of the marketing-operations specification (throughput of the portfolio)
-- note: Improvements judged by a measured effect, whatever it was, in each calendar month from the first such month to the last.
-- example:
--   work_step(process, instance, seq, activity, complete_at, attributes): ('improvement', 'i1', 1, 'measured', '2025-01-03', '{}'), ('improvement', 'i1', 2, 'judge', '2025-01-03', '{}'), ('improvement', 'i2', 3, 'measured', '2025-03-03', '{}'), ('improvement', 'i2', 4, 'judge', '2025-03-03', '{}'), ('improvement', 'i3', 5, 'measured', '2025-03-04', '{}'), ('improvement', 'i3', 6, 'judge', '2025-03-04', '{}')
--   expect: 1
WITH judged AS (
    SELECT
        j.instance,
        max(j.complete_at) AS at
    FROM work_step AS j
    JOIN work_step AS m ON m.instance = j.instance AND m.activity = 'measured'
    WHERE j.process = 'improvement' AND j.activity = 'judge' AND j.event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY j.instance
),
month AS (
    SELECT unnest(generate_series(min(date_trunc('month', "at")), max(date_trunc('month', "at")), INTERVAL 1 MONTH)) AS begins
    FROM judged
)
SELECT m.begins AS cluster, count(j.instance) AS value, m.begins AS at
FROM month AS m
LEFT JOIN judged AS j ON date_trunc('month', j.at) = m.begins
GROUP BY m.begins
