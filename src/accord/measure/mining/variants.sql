-- name: variants
-- title: Variants
-- columns: activities, cases, share
-- source: van der Aalst, Process Mining: Data Science in Action
SELECT
    activities,
    count(*) AS cases,
    count(*) / sum(count(*)) OVER () AS share
FROM (
    SELECT list(activity ORDER BY complete_at, seq) AS activities
    FROM event_log
    WHERE process = $process
    GROUP BY case_id
) AS trace
GROUP BY activities
ORDER BY count(*) DESC, activities
