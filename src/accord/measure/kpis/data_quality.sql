-- name: data_quality
-- title: Data quality
-- unit: share
-- better: higher
-- aggregate: sum_ratio
-- cluster: check of a field and side
-- window: all
-- dims: dimension; flow, dimension
-- covers: F21
-- source: F21 of the marketing-operations specification (DAMA-UK dimensions; ISO/IEC 25012)
-- note: Of all a flow's checks were asked when it was last validated, the share that was good: accuracy, completeness, timeliness,
--   consistency and mapping. A cell, row, key or change counts once for each check that asks about it.
-- example:
--   check_result(flow, binding, dimension, check, field, asked, bad): ('f', 'a', 'accuracy', 'pattern', 'code', 8, 2), ('f', 'a', 'mapping', 'readable', 'size', 12, 0)
--   expect: 0.9
SELECT
    flow,
    dimension,
    concat_ws('/', flow, binding, "check", field) AS cluster,
    asked - bad AS numerator,
    asked AS denominator,
    evaluated_at AS at
FROM check_result
