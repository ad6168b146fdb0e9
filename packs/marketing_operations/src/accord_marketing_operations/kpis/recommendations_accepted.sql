-- name: recommendations_accepted
-- title: Recommendations both domains accepted
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: recommendation
-- window: all
-- processes: optimization
-- covers: C4
-- source: C4 of the marketing-operations specification (accepted recommendations)
-- note: Of the recommendations that were decided, those that were then applied.
-- example:
--   work_step(process, instance, activity, complete_at): ('optimization', 'r1', 'decide', '2025-01-03'), ('optimization', 'r1', 'apply', '2025-01-03'), ('optimization', 'r2', 'decide', '2025-01-09')
--   expect: 0.5
WITH decided AS (
    SELECT instance, max(complete_at) AS at
    FROM work_step
    WHERE process = 'optimization' AND activity = 'decide' AND event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY instance
)
SELECT
    d.instance AS cluster,
    CASE WHEN count(s.activity) > 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    d.at AS at
FROM decided AS d
LEFT JOIN work_step AS s ON s.instance = d.instance AND s.activity = 'apply'
GROUP BY d.instance, d.at
