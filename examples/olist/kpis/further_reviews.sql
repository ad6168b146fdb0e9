-- name: further_reviews
-- title: Reviews of orders that were reviewed before
-- unit: count
-- better: lower
-- aggregate: count
-- cluster: order
-- window: all
-- source: uniqueness of ISO/IEC 25012
-- note: Rows beyond the first of each order.
-- example:
--   entity_review(id, order_id, answered_at TIMESTAMPTZ): ('r', 'a', '2025-01-01'), ('s', 'a', '2025-01-01'), ('t', 'b', '2025-01-01')
--   expect: 1
SELECT
    order_id AS cluster,
    count(*) - 1 AS value,
    max(answered_at) AS at
FROM entity_review
GROUP BY order_id
