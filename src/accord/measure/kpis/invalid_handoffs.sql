-- name: invalid_handoffs
-- title: Handoffs that end before they begin
-- unit: count
-- better: lower
-- aggregate: count
-- cluster: case
-- window: all
-- dims: process
-- source: F2 of the marketing-operations specification; a negative duration is an error of the data and is never averaged
-- example:
--   handoff(process, case_id, valid, offered_at): ('p', 'a', true, '2025-01-01'), ('p', 'b', false, '2025-01-01'), ('p', 'c', true, '2025-01-01')
--   expect: 1
SELECT
    process,
    process || '/' || case_id AS cluster,
    CASE WHEN valid IS DISTINCT FROM false THEN 0 ELSE 1 END AS value,
    offered_at AS at
FROM handoff
