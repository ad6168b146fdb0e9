-- name: operations_efficiency
-- title: Standard hours accepted per paid hour
-- unit: h/h
-- better: higher
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: F6, M7
-- source: F6 of the marketing-operations specification (labour productivity; performance of overall equipment effectiveness)
-- note: Standard hours are fixed per kind of deliverable, so a change of mix cannot look like a gain; a campaign counts in the window of
--   its planned launch, with all its hours, so that moving work to another team or month cannot either.
-- example:
--   entity_campaign(id, planned_launch TIMESTAMPTZ): ('a', '2025-03-01'), ('b', '2025-04-01')
--   entity_deliverable(id, campaign_id, std_hours DOUBLE, accepted_at TIMESTAMPTZ): ('1', 'a', 10, '2025-02-20'), ('2', 'a', 5, NULL), ('3', 'b', 8, '2025-03-20')
--   entity_time_entry(id, campaign_id, hours DOUBLE): ('x', 'a', 12), ('y', 'a', 8), ('z', 'b', 16)
--   expect: 0.5
SELECT
    c.id AS cluster,
    coalesce(d.std_hours, 0) AS numerator,
    t.hours AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c
JOIN (SELECT campaign_id, sum(hours) AS hours FROM entity_time_entry GROUP BY campaign_id) AS t ON t.campaign_id = c.id
LEFT JOIN (
    SELECT campaign_id, sum(std_hours) AS std_hours FROM entity_deliverable WHERE accepted_at IS NOT NULL GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
WHERE EXISTS (SELECT 1 FROM entity_deliverable)
