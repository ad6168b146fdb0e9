-- name: directly_follows
-- title: Directly-follows graph
-- columns: source, target, count, median_seconds, mean_seconds, min_seconds, max_seconds
-- source: van der Aalst, Process Mining: Data Science in Action; order by completion, then by the order of the source
SELECT
    source,
    activity AS target,
    count(*) AS count,
    quantile_cont(seconds, 0.5) AS median_seconds,
    avg(seconds ORDER BY seconds) AS mean_seconds,
    min(seconds) AS min_seconds,
    max(seconds) AS max_seconds
FROM (
    SELECT
        activity,
        lag(activity) OVER w AS source,
        (epoch_us(complete_at) - epoch_us(lag(complete_at) OVER w)) / 1000000.0 AS seconds
    FROM event_log
    WHERE process = $process
    WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq)
) AS step
WHERE source IS NOT NULL
GROUP BY source, activity
ORDER BY count(*) DESC, source, activity
