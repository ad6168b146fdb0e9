-- name: overdue_reviews
-- title: Reviews not held in time
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: review and period
-- window: all
-- dims: review; owner
-- covers: K18
-- needs: a review whose time is over
-- source: K18 of the marketing-operations specification (an overdue review is itself a figure)
-- note: Of the reviews whose time is over or that were held, those not held within it. A review that is due and still has time does not
--   count yet.
-- example:
--   review(review, period, until, held_at): ('r', '2025-01', '2025-02-11', '2025-02-03'), ('r', '2025-02', '2025-03-11', '2025-03-12'), ('r', '2025-03', '2025-04-11', NULL), ('r', '2025-12', '2026-01-11', NULL)
--   expect: 0.6666666666666666
SELECT
    review,
    owner,
    review || '/' || period AS cluster,
    CASE WHEN held_at < until THEN 0 ELSE 1 END AS numerator,
    1 AS denominator,
    until AS at
FROM review CROSS JOIN clock
WHERE until <= clock.now OR held_at IS NOT NULL
