-- name: completeness
-- title: Completeness of the agreed rows
-- unit: share
-- better: higher
-- aggregate: sum_ratio
-- cluster: field of an entity
-- window: all
-- dims: entity
-- covers: F21
-- source: F21 of the marketing-operations specification (completeness of ISO/IEC 25012 and DAMA-UK)
-- note: Values present / values possible, over all fields of all entities that a flow keeps. Rows in quarantine are not agreed rows.
-- example:
--   completeness(entity, field, rows, filled): ('e', 'id', 4, 4), ('e', 'name', 4, 2)
--   expect: 0.75
SELECT
    entity,
    entity || '.' || field AS cluster,
    filled AS numerator,
    rows AS denominator,
    clock.now AS at
FROM completeness CROSS JOIN clock
