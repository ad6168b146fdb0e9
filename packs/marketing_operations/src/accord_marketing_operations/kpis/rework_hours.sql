-- name: rework_hours
-- title: Paid hours of corrections per deliverable
-- unit: h
-- better: lower
-- aggregate: mean
-- cluster: deliverable
-- window: all
-- processes: content_delivery
-- covers: F14
-- source: F14 of the marketing-operations specification (cost of poor quality), per deliverable
-- note: Hours people put down for correcting a deliverable, before and after publication, in the process content_delivery; 0 where nothing was
--   corrected. A deliverable counts when its content was handed in.
-- example:
--   work_step(process, instance, activity, complete_at, attributes): ('content_delivery', 'd1', 'hand_in', '2025-01-01', '{}'), ('content_delivery', 'd1', 'correct', '2025-01-02', '{"variables": {"hours": 3}}'), ('content_delivery', 'd2', 'hand_in', '2025-01-01', '{}')
--   expect: 1.5
SELECT
    instance AS cluster,
    coalesce(sum(CAST(attributes ->> '$.variables.hours' AS DOUBLE)) FILTER (WHERE activity IN ('correct', 'repair')), 0) AS value,
    max(complete_at) FILTER (WHERE activity = 'hand_in') AS at
FROM work_step
WHERE process = 'content_delivery' AND event_type IS DISTINCT FROM 'task.reopened'
GROUP BY instance
HAVING bool_or(activity = 'hand_in')
