-- name: first_response_time
-- title: Time to the first response
-- unit: h
-- better: lower
-- aggregate: median
-- cluster: ticket
-- window: all
-- dims: severity
-- covers: D10
-- source: D10 of the marketing-operations specification
-- note: Calendar hours from opening a ticket to the first answer.
-- example:
--   entity_ticket(id, severity, opened_at TIMESTAMPTZ, first_response_at TIMESTAMPTZ): ('1', 'low', '2025-01-01 00:00', '2025-01-01 02:00'), ('2', 'low', '2025-01-01 00:00', '2025-01-01 04:00'), ('3', 'low', '2025-01-01', NULL)
--   expect: 3
SELECT
    id AS cluster,
    severity,
    (epoch_us(first_response_at) - epoch_us(opened_at)) / 3600000000.0 AS value,
    opened_at AS at
FROM entity_ticket
WHERE first_response_at IS NOT NULL
