-- name: campaign_delivery_success
-- title: Campaigns delivered as agreed
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- covers: F7, M6
-- source: F7 of the marketing-operations specification (perfect order fulfilment, SCOR RL.1.1, transposed)
-- note: Of the campaigns due by now that were not cancelled, those launched by the launch first planned, with every gate passed in the
--   end, within 105 % of the approved budget, and with every mandatory deliverable accepted.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, launched_at TIMESTAMPTZ, budget DOUBLE, currency): ('good', 'done', '2025-03-01', '2025-03-01', 100, 'EUR'), ('late', 'done', '2025-03-01', '2025-03-02', 100, 'EUR'), ('dear', 'done', '2025-03-01', '2025-03-01', 10, 'EUR'), ('unfit', 'done', '2025-03-01', '2025-03-01', 100, 'EUR'), ('void', 'cancelled', '2025-03-01', NULL, 100, 'EUR')
--   entity_gate_result(id, gate, object, campaign_id, attempt BIGINT, passed BOOLEAN): ('1', 'g', '1', 'good', 1, true), ('2', 'g', '2', 'late', 1, true), ('3', 'g', '3', 'dear', 1, true), ('4', 'g', '4', 'unfit', 1, false)
--   entity_cost_entry(id, campaign_id, amount DOUBLE, currency): ('1', 'good', 90, 'EUR'), ('2', 'dear', 90, 'EUR')
--   entity_deliverable(id, campaign_id, mandatory BOOLEAN, accepted_at TIMESTAMPTZ): ('1', 'good', true, '2025-02-01'), ('2', 'late', true, '2025-02-01'), ('3', 'dear', true, '2025-02-01'), ('4', 'unfit', true, '2025-02-01')
--   expect: 0.25
WITH verdict AS (
    SELECT campaign_id, arg_max(passed, attempt) AS passed FROM entity_gate_result GROUP BY campaign_id, gate, object
), gates AS (
    SELECT campaign_id, bool_and(passed) AS passed FROM verdict GROUP BY campaign_id
), cost AS (
    SELECT e.campaign_id, sum(e.amount) AS amount, count(*) FILTER (WHERE e.currency <> b.currency) AS foreign_postings
    FROM entity_cost_entry AS e JOIN entity_campaign AS b ON b.id = e.campaign_id
    GROUP BY e.campaign_id
), scope AS (
    SELECT campaign_id, count(*) FILTER (WHERE mandatory AND accepted_at IS NULL) AS missing FROM entity_deliverable GROUP BY campaign_id
)
SELECT
    c.id AS cluster,
    CASE
        WHEN c.launched_at <= c.planned_launch
            AND g.passed
            AND coalesce(k.amount, 0) <= c.budget * 1.05 AND coalesce(k.foreign_postings, 0) = 0
            AND coalesce(s.missing, 0) = 0
        THEN 1 ELSE 0
    END AS numerator,
    1 AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c CROSS JOIN clock
LEFT JOIN gates AS g ON g.campaign_id = c.id
LEFT JOIN cost AS k ON k.campaign_id = c.id
LEFT JOIN scope AS s ON s.campaign_id = c.id
WHERE c.status <> 'cancelled' AND c.planned_launch <= clock.now
    AND EXISTS (SELECT 1 FROM entity_gate_result)
    AND EXISTS (SELECT 1 FROM entity_cost_entry)
    AND EXISTS (SELECT 1 FROM entity_deliverable)
