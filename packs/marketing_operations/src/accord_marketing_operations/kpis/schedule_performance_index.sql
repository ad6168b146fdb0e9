-- name: schedule_performance_index
-- title: Earned value per planned value
-- unit: EUR/EUR
-- better: higher
-- aggregate: sum_ratio
-- cluster: campaign
-- window: all
-- covers: F12
-- source: SPI of F12 of the marketing-operations specification (earned value, ANSI/EIA-748)
-- note: Planned is the budget times the share of the campaign's standard hours due by now, earned the same for those accepted in time.
--   What was accepted late is earned only after its due date, so it does not count here.
-- example:
--   entity_campaign(id, status, planned_launch TIMESTAMPTZ, budget DOUBLE): ('a', 'active', '2025-03-01', 100)
--   entity_deliverable(id, campaign_id, std_hours DOUBLE, due_at TIMESTAMPTZ, accepted_at TIMESTAMPTZ): ('1', 'a', 10, '2025-02-01', '2025-01-31'), ('2', 'a', 10, '2025-02-01', '2025-02-05'), ('3', 'a', 20, '2026-02-01', NULL)
--   expect: 0.5
SELECT
    c.id AS cluster,
    c.budget * d.earned / d.planned AS numerator,
    c.budget * d.due / d.planned AS denominator,
    c.planned_launch AS at
FROM entity_campaign AS c
JOIN (
    SELECT
        campaign_id,
        sum(std_hours) AS planned,
        coalesce(sum(std_hours) FILTER (WHERE due_at <= clock.now), 0) AS due,
        coalesce(sum(std_hours) FILTER (WHERE due_at <= clock.now AND accepted_at <= due_at), 0) AS earned
    FROM entity_deliverable CROSS JOIN clock
    GROUP BY campaign_id
) AS d ON d.campaign_id = c.id
WHERE c.status <> 'cancelled'
