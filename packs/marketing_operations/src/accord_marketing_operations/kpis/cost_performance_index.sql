-- name: cost_performance_index
-- title: Earned value per posted cost
-- unit: EUR/EUR
-- better: higher
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: F12
-- source: CPI of F12 of the marketing-operations specification (earned value, ANSI/EIA-748)
-- note: Earned is the budget times the accepted share of the campaign's standard hours.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, budget DOUBLE): ('a', 'done', '2025-03-01', 100), ('b', 'cancelled', '2025-03-01', 100)
--   entity_deliverable(id, campaign_id, std_hours DOUBLE, accepted_at TIMESTAMPTZ): ('1', 'a', 10, '2025-02-01'), ('2', 'a', 30, NULL)
--   entity_cost_entry(id, campaign_id, amount DOUBLE): ('1', 'a', 50), ('2', 'b', 50)
--   expect: 0.5
SELECT
    c.id AS cluster,
    c.budget * d.accepted / d.planned AS numerator,
    k.amount AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c
JOIN (
    SELECT campaign_id, sum(std_hours) AS planned, coalesce(sum(std_hours) FILTER (WHERE accepted_at IS NOT NULL), 0) AS accepted
    FROM entity_deliverable
    GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
JOIN (SELECT campaign_id, sum(amount) AS amount FROM entity_cost_entry GROUP BY campaign_id) AS k ON k.campaign_id = c.id
WHERE c.status <> 'cancelled'
