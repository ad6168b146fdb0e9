-- name: launch_slip_p90
-- title: Launch slip, slowest tenth
-- unit: d
-- better: lower
-- aggregate: p90
-- cluster: campaign
-- window: all
-- covers: M6
-- source: M6 of the marketing-operations specification
-- note: Days from the launch first planned to the launch; a campaign due and not launched counts with its slip so far. Early is no slip.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, launched_at TIMESTAMPTZ): ('a', 'done', '2025-03-01', '2025-02-01'), ('b', 'done', '2025-03-01', '2025-03-03'), ('c', 'active', '2025-12-28', NULL), ('d', 'cancelled', '2025-03-01', NULL)
--   expect: 3.6
SELECT
    id AS cluster,
    greatest(0, epoch_us(coalesce(launched_at, clock.now)) - epoch_us(planned_launch)) / 86400000000.0 AS value,
    planned_launch AS at
FROM entity_campaign CROSS JOIN clock
WHERE status <> 'cancelled' AND planned_launch <= clock.now
