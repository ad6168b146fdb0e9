-- name: deals_joined
-- title: Deals with their lead
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: deal
-- window: all
-- source: consistency of ISO/IEC 25012 between funnel stages
-- example:
--   entity_deal(lead_id, won_at TIMESTAMPTZ): ('a', '2025-01-01'), ('b', '2025-01-01')
--   entity_lead(id): ('a'), ('c')
--   expect: 0.5
SELECT
    deal.lead_id AS cluster,
    CASE WHEN lead.id IS NOT NULL THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    deal.won_at AS at
FROM entity_deal AS deal
LEFT JOIN entity_lead AS lead ON lead.id = deal.lead_id
