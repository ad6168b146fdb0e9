-- name: on_time_publication
-- title: Publications on time
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- dims: channel
-- covers: M7
-- source: D8 of the marketing-operations specification
-- note: Of the publications due by now, those that went out within 15 minutes of plan.
-- example:
--   entity_publication(id, campaign_id, channel, planned_at TIMESTAMPTZ, published_at TIMESTAMPTZ): ('1', 'a', 'web', '2025-01-01 10:00', '2025-01-01 10:15'), ('2', 'a', 'web', '2025-01-01 10:00', '2025-01-01 09:40'), ('3', 'b', 'web', '2025-01-01 10:00', NULL), ('4', 'b', 'web', '2025-01-01 10:00', '2025-01-01 09:45')
--   expect: 0.5
SELECT
    campaign_id AS cluster,
    channel,
    CASE WHEN abs(epoch_us(published_at) - epoch_us(planned_at)) <= 900000000 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    planned_at AS at
FROM entity_publication CROSS JOIN clock
WHERE planned_at <= clock.now
