-- name: survey_response_rate
-- title: Resolved tickets with an answered survey
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: ticket
-- window: all
-- covers: F15
-- source: response rate of F15 of the marketing-operations specification
-- note: Says how far the answers stand for all customers.
-- example:
--   entity_ticket(id, resolved_at TIMESTAMPTZ): ('1', '2025-01-01'), ('2', '2025-01-01'), ('3', NULL)
--   entity_survey(id, ticket_id): ('s', '1')
--   expect: 0.5
SELECT
    id AS cluster,
    CASE WHEN id IN (SELECT ticket_id FROM entity_survey) THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    resolved_at AS at
FROM entity_ticket
WHERE resolved_at IS NOT NULL
    AND EXISTS (SELECT 1 FROM entity_survey)
