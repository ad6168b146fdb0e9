-- name: csat
-- title: Satisfied customers
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: answer
-- window: all
-- covers: F15, D10
-- source: F15 of the marketing-operations specification (ISO 10004)
-- note: Answers of 4 or 5 on a scale of 5, of all answers to the satisfaction question.
-- example:
--   entity_survey(id, kind, score BIGINT, answered_at TIMESTAMPTZ): ('1', 'CSAT', 5, '2025-01-01'), ('2', 'CSAT', 4, '2025-01-01'), ('3', 'CSAT', 3, '2025-01-01'), ('4', 'CSAT', 1, '2025-01-01'), ('5', 'NPS', 9, '2025-01-01')
--   expect: 0.5
SELECT
    id AS cluster,
    CASE WHEN score >= 4 THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    answered_at AS at
FROM entity_survey
WHERE kind = 'CSAT'
