-- name: late_share
-- title: Delivered orders that came late
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: order
-- window: all
-- source: perfect order fulfilment (SCOR RL.1.1), its on-time part
-- note: Of the orders with status delivered and a delivery time, those delivered after the promised moment (a date at 00:00).
-- example:
--   entity_order(id, status, delivered_at TIMESTAMPTZ, promised_at TIMESTAMPTZ): ('a', 'delivered', '2025-01-02', '2025-01-03'), ('b', 'delivered', '2025-01-04', '2025-01-03'), ('c', 'shipped', NULL, '2025-01-03')
--   expect: 0.5
SELECT
    id AS cluster,
    CASE WHEN delivered_at > promised_at THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    delivered_at AS at
FROM entity_order
WHERE status = 'delivered' AND delivered_at IS NOT NULL
