-- name: on_time_share
-- title: Handoffs accepted within the agreed time
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: case
-- window: all
-- dims: from_team, to_team
-- covers: F4
-- needs: agreed hours of handoffs that are due by now
-- source: service-level attainment, one half of F4 of the marketing-operations specification
-- note: Of the handoffs due by now, those whose clock stopped in time; open overdue ones count against it.
--   The agreed hours are working time of the receiving team's calendar.
-- example:
--   handoff(process, case_id, ended_at, due_at): ('p', 'a', '2025-01-01', '2025-01-02'), ('p', 'b', '2025-01-03', '2025-01-02'), ('p', 'c', NULL, '2025-01-02'), ('p', 'd', NULL, '2026-01-02'), ('p', 'e', '2025-01-02', '2025-01-02')
--   expect: 0.5
SELECT
    from_team,
    to_team,
    process || '/' || case_id AS cluster,
    CASE WHEN ended_at <= due_at THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    due_at AS at
FROM handoff CROSS JOIN clock
WHERE valid IS DISTINCT FROM false AND due_at <= clock.now
