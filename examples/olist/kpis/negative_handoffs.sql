-- name: negative_handoffs
-- title: Orders with the carrier before they were approved
-- unit: count
-- better: lower
-- aggregate: count
-- cluster: order
-- window: all
-- source: a negative duration is an error of the data; it is counted and never averaged
-- note: Among delivered orders with both times.
-- example:
--   entity_order(id, status, approved_at TIMESTAMPTZ, carrier_at TIMESTAMPTZ): ('a', 'delivered', '2025-01-01 00:00', '2025-01-01 04:00'), ('b', 'delivered', '2025-01-01 01:00', '2025-01-01 00:00'), ('c', 'shipped', '2025-01-01 01:00', '2025-01-01 00:00')
--   expect: 1
SELECT
    id AS cluster,
    CASE WHEN carrier_at < approved_at THEN 1 ELSE 0 END AS value,
    carrier_at AS at
FROM entity_order
WHERE status = 'delivered' AND approved_at IS NOT NULL AND carrier_at IS NOT NULL
