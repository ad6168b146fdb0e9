-- name: utilisation
-- title: Booked hours per hour of capacity
-- unit: share
-- better: higher
-- aggregate: sum_ratio
-- cluster: person
-- window: all
-- dims: team
-- covers: F9
-- source: F9 of the marketing-operations specification (queueing: waiting grows without bound towards 1)
-- note: Per person and week; above 0.85 in a week, waiting grows fast. Bookings that were released do not count.
-- example:
--   entity_resource(id, team): ('r', 't')
--   entity_capacity(resource_id, week DATE, hours DOUBLE): ('r', '2025-01-06', 40), ('r', '2025-01-13', 40)
--   entity_allocation(id, resource_id, week DATE, hours DOUBLE, state): ('1', 'r', '2025-01-06', 20, 'committed'), ('2', 'r', '2025-01-06', 10, 'planned'), ('3', 'r', '2025-01-13', 30, 'released')
--   expect: 0.375
SELECT
    c.resource_id AS cluster,
    r.team AS team,
    coalesce(a.hours, 0) AS numerator,
    c.hours AS denominator,
    CAST(c.week AS TIMESTAMPTZ) AS at
FROM entity_capacity AS c
JOIN entity_resource AS r ON r.id = c.resource_id
LEFT JOIN (
    SELECT resource_id, week, sum(hours) AS hours FROM entity_allocation WHERE state <> 'released' GROUP BY resource_id, week
) AS a ON a.resource_id = c.resource_id AND a.week = c.week
WHERE EXISTS (SELECT 1 FROM entity_allocation)
