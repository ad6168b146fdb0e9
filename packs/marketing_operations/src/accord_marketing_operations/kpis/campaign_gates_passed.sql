-- name: campaign_gates_passed
-- title: Campaigns with all gates passed
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: E6, K12, M6
-- source: second component of F7 of the marketing-operations specification
-- note: Of the campaigns due by now that were not cancelled, those whose every judged object passed its gate in the end. A gate that was
--   waived was not passed; a campaign that no gate has judged passed none.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ): ('a', 'done', '2025-03-01'), ('b', 'done', '2025-03-01'), ('c', 'active', '2025-03-01'), ('d', 'cancelled', '2025-03-01')
--   entity_gate_result(id, gate, object, campaign_id, attempt BIGINT, passed BOOLEAN): ('1', 'g', 'x', 'a', 1, false), ('2', 'g', 'x', 'a', 2, true), ('3', 'g', 'y', 'b', 1, true), ('4', 'h', 'y', 'b', 1, false)
--   expect: 0.3333333333333333
WITH verdict AS (
    SELECT campaign_id, arg_max(passed, attempt) AS passed FROM entity_gate_result GROUP BY campaign_id, gate, object
)
SELECT
    c.id AS cluster,
    CASE WHEN v.passed THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c CROSS JOIN clock
LEFT JOIN (SELECT campaign_id, bool_and(passed) AS passed FROM verdict GROUP BY campaign_id) AS v ON v.campaign_id = c.id
WHERE c.status <> 'cancelled' AND c.planned_launch <= clock.now
    AND EXISTS (SELECT 1 FROM entity_gate_result)
