-- name: pickup_time
-- title: Pickup time, median
-- unit: h
-- better: lower
-- aggregate: median
-- cluster: case
-- window: all
-- dims: from_team, to_team
-- covers: F2
-- needs: the time at which work began
-- source: F2 of the marketing-operations specification, pickup = start of work - first offer
-- note: Needs the time at which work began; calendar hours. Starts before the offer do not count.
-- example:
--   handoff(case_id, from_team, to_team, offered_at, started_at): ('a', 'x', 'y', '2025-01-01 00:00', '2025-01-01 03:00'), ('b', 'x', 'y', '2025-01-01 00:00', '2025-01-01 05:00'), ('c', 'x', 'y', '2025-01-01 00:00', NULL)
--   expect: 4
SELECT
    from_team,
    to_team,
    process || '/' || case_id AS cluster,
    (epoch_us(started_at) - epoch_us(offered_at)) / 3600000000.0 AS value,
    started_at AS at
FROM handoff
WHERE started_at >= offered_at
