-- name: gates_agreed
-- title: Kinds of deliverables with a gate both teams signed
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: kind
-- window: all
-- covers: W4
-- source: W4 of the marketing-operations specification
-- note: Of the kinds there are deliverables of, those for which both brand and legal and the studio signed one standard in the process
--   quality_alignment, whose case is the kind.
-- example:
--   entity_deliverable(id, kind): ('d1', 'email'), ('d2', 'email'), ('d3', 'video')
--   event_log(process, case_id, activity, complete_at): ('quality_alignment', 'email', 'sign_brand', '2025-01-01'), ('quality_alignment', 'email', 'sign_studio', '2025-01-02'), ('quality_alignment', 'video', 'sign_brand', '2025-01-02')
--   expect: 0.5
WITH signed AS (
    SELECT case_id AS kind, max(complete_at) AS at
    FROM event_log
    WHERE process = 'quality_alignment' AND activity IN ('sign_brand', 'sign_studio') AND event_type IS DISTINCT FROM 'task.reopened'
    GROUP BY case_id
    HAVING count(DISTINCT activity) = 2
)
SELECT
    d.kind AS cluster,
    CASE WHEN s.kind IS NULL THEN 0 ELSE 1 END AS numerator,
    1 AS denominator,
    s.at AS at
FROM (SELECT DISTINCT kind FROM entity_deliverable) AS d
LEFT JOIN signed AS s ON s.kind = d.kind
