-- name: campaign_on_time
-- title: Campaigns launched on time
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: E6, K12, M6
-- source: first component of F7 of the marketing-operations specification
-- note: Of the campaigns due by now that were not cancelled, those launched by the launch first planned. Re-planning does not count.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, launched_at TIMESTAMPTZ): ('a', 'done', '2025-03-01', '2025-03-01'), ('b', 'done', '2025-03-01', '2025-03-02'), ('c', 'active', '2025-03-01', NULL), ('d', 'cancelled', '2025-03-01', NULL), ('e', 'active', '2026-03-01', NULL), ('f', 'done', '2025-03-01', '2025-02-01')
--   expect: 0.5
SELECT
    id AS cluster,
    CASE WHEN launched_at <= planned_launch THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    planned_launch AS at
FROM entity_campaign CROSS JOIN clock
WHERE status <> 'cancelled' AND planned_launch <= clock.now
