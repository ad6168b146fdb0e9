-- name: repeated_review_ids
-- title: Review ids that were used again
-- unit: count
-- better: lower
-- aggregate: count
-- cluster: review id
-- window: all
-- source: uniqueness of ISO/IEC 25012
-- note: Rows beyond the first of each review id.
-- example:
--   entity_review(id, order_id, answered_at TIMESTAMPTZ): ('r', 'a', '2025-01-01'), ('r', 'b', '2025-01-01'), ('r', 'c', '2025-01-01'), ('s', 'd', '2025-01-01')
--   expect: 2
SELECT
    id AS cluster,
    count(*) - 1 AS value,
    max(answered_at) AS at
FROM entity_review
GROUP BY id
