-- name: estimate_at_completion
-- title: Expected cost per budget, at completion
-- unit: EUR/EUR
-- better: lower
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: F12
-- source: EAC = BAC / CPI of F12 of the marketing-operations specification, as a multiple of BAC (ANSI/EIA-748)
-- note: What campaigns will have cost when everything is accepted, at the cost per earned value so far, over their budgets. Campaigns
--   that have earned nothing cannot be projected and are left out.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, budget DOUBLE): ('a', 'active', '2025-03-01', 100)
--   entity_deliverable(id, campaign_id, std_hours DOUBLE, accepted_at TIMESTAMPTZ): ('1', 'a', 10, '2025-02-01'), ('2', 'a', 30, NULL)
--   entity_cost_entry(id, campaign_id, amount DOUBLE): ('1', 'a', 50)
--   expect: 2
SELECT
    c.id AS cluster,
    k.amount * d.planned / d.accepted AS numerator,
    c.budget AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c
JOIN (
    SELECT campaign_id, sum(std_hours) AS planned, sum(std_hours) FILTER (WHERE accepted_at IS NOT NULL) AS accepted
    FROM entity_deliverable
    GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
JOIN (SELECT campaign_id, sum(amount) AS amount FROM entity_cost_entry GROUP BY campaign_id) AS k ON k.campaign_id = c.id
WHERE c.status <> 'cancelled' AND d.accepted > 0
