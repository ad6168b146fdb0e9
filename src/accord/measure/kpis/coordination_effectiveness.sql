-- name: coordination_effectiveness
-- title: Coordination effectiveness
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: case
-- window: all
-- dims: from_team, to_team
-- covers: F4, M9
-- needs: agreed hours and number of attempts of handoffs that are due by now
-- source: F4 of the marketing-operations specification (service-level attainment x percent complete and accurate)
-- note: Of the handoffs due by now, those accepted at the first offer and within the agreed hours; open overdue ones count against it.
--   The agreed hours are working time of the receiving team's calendar; the clock is that of F2, so an automatic acceptance without work does not help.
-- example:
--   handoff(process, case_id, attempts, ended_at, due_at): ('p', 'a', 1, '2025-01-01', '2025-01-02'), ('p', 'b', 2, '2025-01-01', '2025-01-02'), ('p', 'c', 1, NULL, '2025-01-02'), ('p', 'd', 1, '2025-01-03', '2025-01-02'), ('p', 'e', 1, NULL, '2026-01-02')
--   expect: 0.25
SELECT
    from_team,
    to_team,
    process || '/' || case_id AS cluster,
    CASE WHEN attempts = 1 AND ended_at <= due_at THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    due_at AS at
FROM handoff CROSS JOIN clock
WHERE valid IS DISTINCT FROM false AND attempts IS NOT NULL AND due_at <= clock.now
