-- name: rework_share
-- title: Cases with rework
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: case
-- window: all
-- dims: process
-- covers: F14
-- source: F14 of the marketing-operations specification, count variant (cost of poor quality)
-- note: A case has rework when one of its activities was completed more than once.
-- example:
--   event_log(process, case_id, activity, complete_at): ('p', 'a', 'x', '2025-01-01'), ('p', 'a', 'x', '2025-01-02'), ('p', 'b', 'x', '2025-01-01'), ('p', 'b', 'y', '2025-01-01'), ('p', 'c', 'x', '2025-01-01'), ('p', 'd', 'x', '2025-01-01')
--   expect: 0.25
SELECT
    process,
    process || '/' || case_id AS cluster,
    CASE WHEN count(*) > count(DISTINCT activity) THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    max(complete_at) AS at
FROM event_log
GROUP BY process, case_id
