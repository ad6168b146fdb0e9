-- name: rework
-- title: Rework by activity
-- columns: activity, cases, extra, share
-- source: F14 of the marketing-operations specification, count variant
-- note: cases in which the activity occurs more than once, the executions beyond the first, and the share of all cases.
WITH execution AS (
    SELECT case_id, activity, count(*) AS times
    FROM event_log
    WHERE process = $process
    GROUP BY case_id, activity
)
SELECT
    activity,
    count(*) AS cases,
    CAST(sum(times - 1) AS BIGINT) AS extra,
    count(*) / (SELECT count(DISTINCT case_id) FROM execution) AS share
FROM execution
WHERE times > 1
GROUP BY activity
ORDER BY cases DESC, activity
