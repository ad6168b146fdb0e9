-- name: cost_per_deliverable
-- title: Posted cost per accepted deliverable
-- unit: EUR
-- better: lower
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- dims: kind
-- covers: F13
-- source: F13 of the marketing-operations specification (cost per unit of output)
-- note: A campaign's postings are shared among its accepted deliverables by their standard hours, so the parts of all kinds add up to
--   what was posted. Campaigns that have accepted nothing yet are left out.
-- example:
--   entity_campaign(id, planned_launch TIMESTAMPTZ): ('a', '2025-03-01'), ('b', '2025-03-01')
--   entity_deliverable(id, campaign_id, kind, std_hours DOUBLE, accepted_at TIMESTAMPTZ): ('1', 'a', 'email', 5, '2025-02-01'), ('2', 'a', 'video', 15, '2025-02-01'), ('3', 'b', 'email', 5, NULL)
--   entity_cost_entry(id, campaign_id, amount DOUBLE): ('1', 'a', 300), ('2', 'a', 100), ('3', 'b', 77)
--   expect: 200
WITH accepted AS (
    SELECT campaign_id, kind, count(*) AS deliverables, sum(std_hours) AS std_hours
    FROM entity_deliverable
    WHERE accepted_at IS NOT NULL
    GROUP BY campaign_id, kind
), cost AS (
    SELECT campaign_id, sum(amount) AS amount FROM entity_cost_entry GROUP BY campaign_id
)
SELECT
    a.campaign_id AS cluster,
    a.kind AS kind,
    coalesce(k.amount, 0) * a.std_hours / sum(a.std_hours) OVER (PARTITION BY a.campaign_id) AS numerator,
    a.deliverables AS denominator,
    c.planned_launch AS at
FROM accepted AS a
JOIN entity_campaign AS c ON c.id = a.campaign_id
LEFT JOIN cost AS k ON k.campaign_id = a.campaign_id
WHERE EXISTS (SELECT 1 FROM entity_cost_entry)
