-- name: ticket_reopen_share
-- title: Tickets reopened
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: ticket
-- window: all
-- covers: D10
-- source: D10 of the marketing-operations specification
-- note: Of the tickets resolved, those a customer opened again.
-- example:
--   entity_ticket(id, opened_at TIMESTAMPTZ, resolved_at TIMESTAMPTZ, reopened BOOLEAN): ('1', '2025-01-01', '2025-01-01', true), ('2', '2025-01-01', '2025-01-01', false), ('3', '2025-01-01', NULL, false)
--   expect: 0.5
SELECT
    id AS cluster,
    CASE WHEN reopened THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    opened_at AS at
FROM entity_ticket
WHERE resolved_at IS NOT NULL
