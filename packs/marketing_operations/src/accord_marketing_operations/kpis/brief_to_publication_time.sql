-- name: brief_to_publication_time
-- title: From approved brief to publication
-- unit: d
-- better: lower
-- aggregate: median
-- cluster: campaign
-- window: all
-- dims: channel
-- covers: F16, M7
-- source: F16 of the marketing-operations specification (lead time for changes, transposed)
-- note: Calendar days from the approval of the campaign's brief to each publication.
-- example:
--   entity_brief(id, campaign_id, approved_at TIMESTAMPTZ): ('b', 'a', '2025-01-01')
--   entity_publication(id, campaign_id, channel, published_at TIMESTAMPTZ): ('1', 'a', 'web', '2025-01-11'), ('2', 'a', 'web', '2025-01-21'), ('3', 'a', 'web', NULL)
--   expect: 15
SELECT
    p.campaign_id AS cluster,
    p.channel AS channel,
    (epoch_us(p.published_at) - epoch_us(b.approved_at)) / 86400000000.0 AS value,
    p.published_at AS at
FROM entity_publication AS p
JOIN entity_brief AS b ON b.campaign_id = p.campaign_id
WHERE p.published_at IS NOT NULL AND b.approved_at IS NOT NULL
