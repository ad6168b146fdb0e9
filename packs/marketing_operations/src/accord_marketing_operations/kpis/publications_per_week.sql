-- name: publications_per_week
-- title: Publications per week
-- unit: per week
-- better: higher
-- aggregate: mean
-- cluster: week
-- window: all
-- covers: F16
-- source: F16 of the marketing-operations specification (deployment frequency, transposed)
-- note: Weeks between the first and the last publication; weeks without one count as 0.
-- example:
--   entity_publication(id, published_at TIMESTAMPTZ): ('1', '2025-01-06'), ('2', '2025-01-07'), ('3', '2025-01-22'), ('4', NULL)
--   expect: 1
WITH span AS (
    SELECT unnest(generate_series(date_trunc('week', min(published_at)), max(published_at), INTERVAL 7 DAY)) AS week
    FROM entity_publication
)
SELECT
    CAST(s.week AS VARCHAR) AS cluster,
    count(p.id) AS value,
    s.week AS at
FROM span AS s
LEFT JOIN entity_publication AS p ON date_trunc('week', p.published_at) = s.week
GROUP BY s.week
