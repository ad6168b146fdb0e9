-- name: contacts_per_1000_orders
-- title: Tickets about a campaign per 1,000 of its orders
-- unit: per 1000
-- better: lower
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: D10
-- source: D10 of the marketing-operations specification
-- note: Tickets opened within 14 days after a day with orders of the campaign they name, related to all its orders.
-- example:
--   entity_campaign(id, launched_at TIMESTAMPTZ): ('a', '2025-01-01')
--   entity_outcome(campaign_id, day DATE, orders BIGINT): ('a', '2025-01-01', 30), ('a', '2025-01-02', 20)
--   entity_ticket(id, campaign_id, opened_at TIMESTAMPTZ): ('1', 'a', '2025-01-03'), ('2', 'a', '2025-03-03'), ('3', NULL, '2025-01-03')
--   expect: 20
WITH sold AS (
    SELECT campaign_id, sum(orders) AS orders, min("day") AS first_day, max("day") AS last_day
    FROM entity_outcome
    WHERE orders > 0
    GROUP BY campaign_id
)
SELECT
    c.id AS cluster,
    count(t.id) AS numerator,
    any_value(s.orders) / 1000.0 AS denominator,
    any_value(c.launched_at) AS at
FROM entity_campaign AS c
JOIN sold AS s ON s.campaign_id = c.id
LEFT JOIN entity_ticket AS t
    ON t.campaign_id = c.id AND t.opened_at >= s.first_day AND t.opened_at < s.last_day + INTERVAL 15 DAY
WHERE EXISTS (SELECT 1 FROM entity_ticket)
GROUP BY c.id
