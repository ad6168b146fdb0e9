-- name: time_to_restore
-- title: Time to correct a publication
-- unit: h
-- better: lower
-- aggregate: median
-- cluster: publication
-- window: all
-- covers: F16
-- source: F16 of the marketing-operations specification (time to restore, transposed)
-- example:
--   entity_publication(id, published_at TIMESTAMPTZ, corrected_at TIMESTAMPTZ): ('1', '2025-01-01 00:00', '2025-01-01 05:00'), ('2', '2025-01-01 00:00', '2025-01-01 07:00'), ('3', '2025-01-01', NULL)
--   expect: 6
SELECT
    id AS cluster,
    (epoch_us(corrected_at) - epoch_us(published_at)) / 3600000000.0 AS value,
    published_at AS at
FROM entity_publication
WHERE corrected_at IS NOT NULL
