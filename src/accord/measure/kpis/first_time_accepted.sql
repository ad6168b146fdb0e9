-- name: first_time_accepted
-- title: Handoffs accepted the first time
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: case
-- window: all
-- dims: from_team, to_team
-- covers: F3
-- needs: the number of attempts, and an acceptance or an agreed time that has passed
-- source: F3 of the marketing-operations specification (percent complete and accurate of value-stream mapping)
-- note: Of the handoffs that are finished or overdue, those accepted at the first offer. An overdue one that nobody accepted counts
--   against it. Needs the number of attempts.
-- example:
--   handoff(process, case_id, attempts, accepted_at, offered_at, due_at): ('p', 'a', 1, '2025-01-01', '2025-01-01', NULL), ('p', 'b', 2, '2025-01-01', '2025-01-01', NULL), ('p', 'c', 1, '2025-01-01', '2025-01-01', NULL), ('p', 'd', 1, NULL, '2025-01-01', '2025-01-02'), ('p', 'e', 1, NULL, '2025-12-31', '2026-01-02')
--   expect: 0.5
SELECT
    from_team,
    to_team,
    process || '/' || case_id AS cluster,
    CASE WHEN attempts = 1 AND accepted_at IS NOT NULL THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    coalesce(accepted_at, due_at) AS at
FROM handoff CROSS JOIN clock
WHERE valid IS DISTINCT FROM false AND attempts IS NOT NULL AND (accepted_at IS NOT NULL OR due_at <= clock.now)
