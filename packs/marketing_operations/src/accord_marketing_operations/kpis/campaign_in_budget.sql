-- name: campaign_in_budget
-- title: Campaigns within budget
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: E6, K12, M6
-- source: third component of F7 of the marketing-operations specification
-- note: Of the campaigns due by now that were not cancelled, those whose postings do not exceed the approved budget by more than 5 %.
--   Postings in another currency than the budget cannot be added and make the campaign fail.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, budget DOUBLE, currency): ('a', 'done', '2025-03-01', 100, 'EUR'), ('b', 'done', '2025-03-01', 100, 'EUR'), ('c', 'active', '2025-03-01', 100, 'EUR'), ('d', 'done', '2025-03-01', 100, 'EUR')
--   entity_cost_entry(id, campaign_id, amount DOUBLE, currency): ('1', 'a', 60, 'EUR'), ('2', 'a', 45, 'EUR'), ('3', 'b', 106, 'EUR'), ('4', 'd', 1, 'USD')
--   expect: 0.5
SELECT
    c.id AS cluster,
    CASE WHEN coalesce(p.amount, 0) <= c.budget * 1.05 AND coalesce(p.foreign_postings, 0) = 0 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c CROSS JOIN clock
LEFT JOIN (
    SELECT e.campaign_id, sum(e.amount) AS amount, count(*) FILTER (WHERE e.currency <> b.currency) AS foreign_postings
    FROM entity_cost_entry AS e JOIN entity_campaign AS b ON b.id = e.campaign_id
    GROUP BY e.campaign_id
) AS p ON p.campaign_id = c.id
WHERE c.status <> 'cancelled' AND c.planned_launch <= clock.now
    AND EXISTS (SELECT 1 FROM entity_cost_entry)
