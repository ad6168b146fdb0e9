-- name: traceability
-- title: Outcomes with the full chain of keys
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: W10
-- source: W10 of the marketing-operations specification (traceability)
-- note: Of the rows of outcomes, those whose campaign is known and has a deliverable with a publication that was out by that day. Outcomes are
--   told by campaign and day, so the chain ends at the publications of the campaign together, not at one of them.
-- example:
--   entity_outcome(campaign_id, day DATE): ('c1', '2025-01-02'), ('c1', '2025-01-05'), ('c2', '2025-01-05'), ('c9', '2025-01-05')
--   entity_campaign(id): ('c1'), ('c2')
--   entity_deliverable(id, campaign_id): ('d1', 'c1'), ('d2', 'c2')
--   entity_publication(deliverable_id, published_at TIMESTAMPTZ): ('d1', '2025-01-04 08:00')
--   expect: 0.25
WITH chain AS (
    SELECT d.campaign_id, min(CAST(p.published_at AS DATE)) AS out_from
    FROM entity_publication AS p
    JOIN entity_deliverable AS d ON d.id = p.deliverable_id
    JOIN entity_campaign AS c ON c.id = d.campaign_id
    WHERE p.published_at IS NOT NULL
    GROUP BY d.campaign_id
)
SELECT
    o.campaign_id AS cluster,
    CASE WHEN o.day >= c.out_from THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    CAST(o.day AS TIMESTAMPTZ) AS at
FROM entity_outcome AS o
LEFT JOIN chain AS c ON c.campaign_id = o.campaign_id
