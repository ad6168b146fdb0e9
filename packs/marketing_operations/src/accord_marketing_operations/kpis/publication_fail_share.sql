-- name: publication_fail_share
-- title: Publications corrected within 14 days
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: F16
-- source: F16 of the marketing-operations specification (change failure rate, transposed)
-- example:
--   entity_publication(id, campaign_id, published_at TIMESTAMPTZ, corrected_at TIMESTAMPTZ): ('1', 'a', '2025-01-01', '2025-01-02'), ('2', 'a', '2025-01-01', '2025-02-02'), ('3', 'b', '2025-01-01', NULL), ('4', 'b', NULL, NULL)
--   expect: 0.3333333333333333
SELECT
    campaign_id AS cluster,
    CASE WHEN corrected_at <= published_at + INTERVAL 14 DAY THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    published_at AS at
FROM entity_publication
WHERE published_at IS NOT NULL
