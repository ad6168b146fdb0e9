-- name: hours_per_deliverable
-- title: Paid hours of both domains per accepted deliverable
-- unit: h
-- better: lower
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: E8
-- source: E8 of the marketing-operations specification
-- note: The whole chain counts, whoever did the work, so hours shifted from one domain to the other are no gain. Campaigns that have
--   accepted nothing yet are left out.
-- example:
--   entity_campaign(id, planned_launch TIMESTAMPTZ): ('a', '2025-03-01'), ('b', '2025-04-01'), ('c', '2025-04-01')
--   entity_deliverable(id, campaign_id, accepted_at TIMESTAMPTZ): ('1', 'a', '2025-02-20'), ('2', 'a', '2025-02-21'), ('3', 'b', '2025-03-20'), ('4', 'c', NULL)
--   entity_time_entry(id, campaign_id, hours DOUBLE): ('x', 'a', 20), ('y', 'b', 10), ('z', 'c', 99)
--   expect: 10
SELECT
    c.id AS cluster,
    coalesce(t.hours, 0) AS numerator,
    d.accepted AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c
JOIN (
    SELECT campaign_id, count(*) AS accepted FROM entity_deliverable WHERE accepted_at IS NOT NULL GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
LEFT JOIN (SELECT campaign_id, sum(hours) AS hours FROM entity_time_entry GROUP BY campaign_id) AS t ON t.campaign_id = c.id
WHERE EXISTS (SELECT 1 FROM entity_time_entry)
