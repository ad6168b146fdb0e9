-- name: defect_escape_share
-- title: Defects found only after publication
-- unit: share
-- better: lower
-- aggregate: ratio
-- cluster: deliverable
-- window: all
-- covers: W11
-- source: W11 of the marketing-operations specification
-- note: Of all defects found, those found after publication: publications that were corrected, and published content repaired in the process
--   content_delivery. Found before are the verdicts of GTE-02 and GTE-03 that let nothing pass.
-- example:
--   gate_result(gate, object, at, passed): ('GTE-02', 'd1', '2025-01-01', false), ('GTE-02', 'd1', '2025-01-02', true), ('GTE-03', 'd2', '2025-01-03', false), ('GTE-01', 'c1', '2025-01-01', false)
--   entity_publication(deliverable_id, corrected_at TIMESTAMPTZ): ('d1', '2025-01-09'), ('d2', NULL)
--   event_log(process, case_id, activity, complete_at): ('content_delivery', 'd3', 'repair', '2025-01-10')
--   expect: 0.5
SELECT object AS cluster, 0 AS numerator, 1 AS denominator, "at" AS at
FROM gate_result
WHERE NOT passed AND gate IN ('GTE-02', 'GTE-03') AND EXISTS (SELECT 1 FROM entity_publication)
UNION ALL
SELECT deliverable_id AS cluster, 1 AS numerator, 1 AS denominator, corrected_at AS at
FROM entity_publication
WHERE corrected_at IS NOT NULL
UNION ALL
SELECT case_id AS cluster, 1 AS numerator, 1 AS denominator, complete_at AS at
FROM event_log
WHERE process = 'content_delivery' AND activity = 'repair'
