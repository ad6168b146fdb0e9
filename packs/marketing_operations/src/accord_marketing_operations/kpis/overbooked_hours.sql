-- name: overbooked_hours
-- title: Hours booked beyond capacity, per person and week
-- unit: h
-- better: lower
-- aggregate: mean
-- cluster: person
-- window: all
-- dims: team
-- covers: F9
-- source: F9 of the marketing-operations specification
-- note: Booked hours less capacity where that is positive, else 0.
-- example:
--   entity_resource(id, team): ('r', 't')
--   entity_capacity(resource_id, week DATE, hours DOUBLE): ('r', '2025-01-06', 40), ('r', '2025-01-13', 8)
--   entity_allocation(id, resource_id, week DATE, hours DOUBLE, state): ('1', 'r', '2025-01-06', 20, 'committed'), ('2', 'r', '2025-01-13', 18, 'committed')
--   expect: 5
SELECT
    c.resource_id AS cluster,
    r.team AS team,
    greatest(0, coalesce(a.hours, 0) - c.hours) AS value,
    CAST(c.week AS TIMESTAMPTZ) AS at
FROM entity_capacity AS c
JOIN entity_resource AS r ON r.id = c.resource_id
LEFT JOIN (
    SELECT resource_id, week, sum(hours) AS hours FROM entity_allocation WHERE state <> 'released' GROUP BY resource_id, week
) AS a ON a.resource_id = c.resource_id AND a.week = c.week
WHERE EXISTS (SELECT 1 FROM entity_allocation)
