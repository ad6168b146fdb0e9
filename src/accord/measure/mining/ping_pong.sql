-- name: ping_pong
-- title: Ping-pong between resources
-- columns: resource, other, count
-- source: indicator of risk R2 in the marketing-operations specification
-- note: A resource works on a case, another one does next, and the first one does again.
SELECT
    resource,
    before AS other,
    count(*) AS count
FROM (
    SELECT
        resource,
        lag(resource) OVER w AS before,
        lag(resource, 2) OVER w AS earlier
    FROM event_log
    WHERE process = $process
    WINDOW w AS (PARTITION BY case_id ORDER BY complete_at, seq)
) AS step
WHERE resource = earlier AND resource <> before
GROUP BY resource, before
ORDER BY count(*) DESC, resource, other
