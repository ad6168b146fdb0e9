-- name: nps
-- title: Net promoter score
-- unit: points
-- better: higher
-- aggregate: mean
-- cluster: answer
-- window: all
-- covers: F15
-- source: F15 of the marketing-operations specification
-- note: Percent of answers of 9 and 10 less percent of answers of 0 to 6, on the question for recommendation.
-- example:
--   entity_survey(id, kind, score BIGINT, answered_at TIMESTAMPTZ): ('1', 'NPS', 10, '2025-01-01'), ('2', 'NPS', 9, '2025-01-01'), ('3', 'NPS', 7, '2025-01-01'), ('4', 'NPS', 6, '2025-01-01'), ('5', 'CSAT', 1, '2025-01-01')
--   expect: 25
SELECT
    id AS cluster,
    CASE WHEN score >= 9 THEN 100 WHEN score <= 6 THEN -100 ELSE 0 END AS value,
    answered_at AS at
FROM entity_survey
WHERE kind = 'NPS'
