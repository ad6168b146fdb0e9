-- name: campaign_scope_delivered
-- title: Campaigns with their mandatory scope delivered
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: E6, K12
-- source: fourth component of F7 of the marketing-operations specification
-- note: Of the campaigns due by now that were not cancelled, those whose every mandatory deliverable has been accepted.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ): ('a', 'done', '2025-03-01'), ('b', 'done', '2025-03-01')
--   entity_deliverable(id, campaign_id, mandatory BOOLEAN, accepted_at TIMESTAMPTZ): ('1', 'a', true, '2025-02-01'), ('2', 'a', false, NULL), ('3', 'b', true, '2025-02-01'), ('4', 'b', true, NULL)
--   expect: 0.5
SELECT
    c.id AS cluster,
    CASE WHEN coalesce(d.missing, 0) = 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c CROSS JOIN clock
LEFT JOIN (
    SELECT campaign_id, count(*) FILTER (WHERE mandatory AND accepted_at IS NULL) AS missing FROM entity_deliverable GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
WHERE c.status <> 'cancelled' AND c.planned_launch <= clock.now
    AND EXISTS (SELECT 1 FROM entity_deliverable)
