-- name: recommendations_decided
-- title: Recommendations decided within five days
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: recommendation
-- window: all
-- processes: optimization
-- covers: W6
-- source: W6 of the marketing-operations specification (decided within 5 d)
-- note: Of the recommendations that were decided or whose five days are over, those on which both domains decided within five calendar days
--   of their making.
-- example:
--   work_instance(process, instance, started_at, status): ('optimization', 'r1', '2025-01-01', 'completed'), ('optimization', 'r2', '2025-01-01', 'completed'), ('optimization', 'r3', '2025-12-31', 'running')
--   work_step(process, instance, activity, complete_at): ('optimization', 'r1', 'decide', '2025-01-03'), ('optimization', 'r2', 'decide', '2025-01-09')
--   expect: 0.5
WITH decided AS (
    SELECT instance, max(complete_at) AS at
    FROM work_step
    WHERE process = 'optimization' AND activity = 'decide' AND event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY instance
)
SELECT
    i.instance AS cluster,
    CASE WHEN d.at <= i.started_at + INTERVAL 5 DAY THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    i.started_at AS at
FROM work_instance AS i
LEFT JOIN decided AS d ON d.instance = i.instance
CROSS JOIN clock
WHERE i.process = 'optimization' AND i.status <> 'cancelled' AND (d.at IS NOT NULL OR i.started_at + INTERVAL 5 DAY <= clock.now)
