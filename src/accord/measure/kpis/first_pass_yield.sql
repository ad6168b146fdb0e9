-- name: first_pass_yield
-- title: First-pass yield of the gates
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: object
-- window: all
-- dims: gate
-- covers: F10
-- source: F10 of the marketing-operations specification (Six Sigma; ISO 22400-2)
-- note: Of the objects a gate has judged, those that passed it at attempt 1: gates of processes that Accord carries out, and rows of the
--   entity gate_result with gate, object, at, passed and attempt where the map has one.
-- example:
--   gate_result(gate, object, at, passed, attempt): ('g', 'a', '2025-01-01', true, 1), ('g', 'b', '2025-01-01', false, 1), ('g', 'b', '2025-01-02', true, 2)
--   expect: 0.5
SELECT
    gate,
    object AS cluster,
    max(CASE WHEN passed AND attempt = 1 THEN 1 ELSE 0 END) AS numerator,
    1 AS denominator,
    max("at") AS at
FROM gate_result
GROUP BY gate, object
