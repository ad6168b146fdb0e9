-- name: approval_to_carrier_p90
-- title: Approval to carrier, 90th percentile
-- unit: h
-- better: lower
-- aggregate: p90
-- cluster: order
-- window: all
-- source: F2 of the marketing-operations specification, on the raw times
-- note: Rank over all delivered orders with both times, calendar hours. A time before the approval has its rank below all others here;
--   it is counted in negative_handoffs, and the generic handoff_time leaves it out.
-- example:
--   entity_order(id, status, approved_at TIMESTAMPTZ, carrier_at TIMESTAMPTZ): ('a', 'delivered', '2025-01-01 00:00', '2025-01-01 04:00'), ('b', 'delivered', '2025-01-01 00:00', '2025-01-01 10:00'), ('c', 'delivered', '2025-01-01 01:00', '2025-01-01 00:00'), ('d', 'shipped', '2025-01-01 00:00', '2025-01-09 00:00')
--   expect: 8.8
SELECT
    id AS cluster,
    (epoch_us(carrier_at) - epoch_us(approved_at)) / 3600000000.0 AS value,
    carrier_at AS at
FROM entity_order
WHERE status = 'delivered' AND approved_at IS NOT NULL AND carrier_at IS NOT NULL
