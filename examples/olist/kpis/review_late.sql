-- name: review_late
-- title: Review of orders that came late
-- unit: of 5
-- better: higher
-- aggregate: mean
-- cluster: order
-- window: all
-- source: mean of the scores given (ISO 10004)
-- note: Over all reviews of delivered orders with a delivery time; an order reviewed twice counts twice, and varies as one cluster.
-- example:
--   entity_order(id, status, delivered_at TIMESTAMPTZ, promised_at TIMESTAMPTZ): ('a', 'delivered', '2025-01-02', '2025-01-03'), ('b', 'delivered', '2025-01-04', '2025-01-03')
--   entity_review(id, order_id, score BIGINT, answered_at TIMESTAMPTZ): ('r', 'a', 5, '2025-01-05'), ('s', 'a', 3, '2025-01-06'), ('t', 'b', 1, '2025-01-07')
--   expect: 1
SELECT
    review.order_id AS cluster,
    review.score AS value,
    review.answered_at AS at
FROM entity_review AS review
JOIN entity_order AS "order" ON "order".id = review.order_id
WHERE "order".status = 'delivered' AND "order".delivered_at > "order".promised_at
