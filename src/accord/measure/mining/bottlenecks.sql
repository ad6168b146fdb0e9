-- name: bottlenecks
-- title: Bottlenecks
-- columns: source, target, count, median_hours, total_hours, share
-- source: waiting-time analysis in process mining
-- note: A case waits from the completion of an event to the start of the next (its completion where starts are not known). Work that
--   overlaps does not wait.
SELECT
    source,
    activity AS target,
    count(*) AS count,
    quantile_cont(hours, 0.5) AS median_hours,
    sum(hours ORDER BY hours) AS total_hours,
    sum(hours ORDER BY hours) / nullif(sum(sum(hours ORDER BY hours)) OVER (), 0) AS share
FROM (
    SELECT
        activity,
        lag(activity) OVER w AS source,
        greatest(epoch_us(coalesce(start_at, complete_at)) - epoch_us(lag(complete_at) OVER w), 0) / 3600000000.0 AS hours
    FROM event_log
    WHERE process = $process
    WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq)
) AS step
WHERE source IS NOT NULL
GROUP BY source, activity
ORDER BY total_hours DESC, source, target
