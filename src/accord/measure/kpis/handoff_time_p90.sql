-- name: handoff_time_p90
-- title: Handoff time, 90th percentile
-- unit: h
-- better: lower
-- aggregate: p90
-- cluster: case
-- window: all
-- dims: from_team, to_team
-- covers: F2
-- needs: accepted handoffs
-- source: F2 of the marketing-operations specification (waiting time between resources in process mining; ITIL response time)
-- note: From the first offer to the final acceptance in calendar hours. Open handoffs have no wait yet; negative ones are flagged in
--   invalid_handoffs and do not count here.
-- example:
--   handoff(case_id, from_team, to_team, wait_hours, valid, ended_at): ('a', 'x', 'y', 2, true, '2025-01-01'), ('a', 'y', 'x', 4, true, '2025-01-02'), ('b', 'x', 'y', 9, true, '2025-01-03'), ('b', 'x', 'y', -5, false, '2025-01-03'), ('c', 'x', 'y', NULL, true, NULL)
--   expect: 8
SELECT
    from_team,
    to_team,
    process || '/' || case_id AS cluster,
    wait_hours AS value,
    ended_at AS at
FROM handoff
WHERE valid IS DISTINCT FROM false AND wait_hours IS NOT NULL
