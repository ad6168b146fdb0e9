-- name: blocked_time_share
-- title: Share of the time in which work was blocked
-- unit: share
-- better: lower
-- aggregate: sum_ratio
-- cluster: instance
-- window: all
-- dims: process
-- processes: joint_cycles
-- covers: C2
-- source: C2 of the marketing-operations specification (blocked hours / lead hours)
-- note: Of the hours in which an instance had a task open, those in which one of them was offered and not accepted, had been sent back, or
--   had failed and waited for a person. Hours that overlap count once; planned waits and the time of other instances it runs do not count.
-- example:
--   work_time(process, instance, kind, state, from_at, to_at): ('p', 'a', 'human', 'offered', '2025-01-01 00:00', '2025-01-01 01:00'), ('p', 'a', 'human', 'started', '2025-01-01 01:00', '2025-01-01 04:00'), ('p', 'a', 'human', 'dead', '2025-01-01 00:30', '2025-01-01 01:00'), ('p', 'a', 'wait', 'waiting', '2025-01-01 00:00', '2025-01-09 00:00')
--   expect: 0.25
WITH span AS (
    SELECT process, instance, state IN ('offered', 'returned', 'dead') AS blocked, from_at, coalesce(to_at, clock.now) AS to_at
    FROM work_time CROSS JOIN clock
    WHERE state <> 'waiting'
),
counted AS (
    SELECT
        process,
        instance,
        blocked,
        to_at,
        greatest(from_at, coalesce(max(to_at) OVER (PARTITION BY instance, blocked ORDER BY from_at, to_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), from_at)) AS from_at
    FROM (SELECT * FROM span UNION ALL SELECT process, instance, false, from_at, to_at FROM span WHERE blocked)
)
SELECT
    process,
    instance AS cluster,
    coalesce(sum(greatest(epoch(to_at) - epoch(from_at), 0)) FILTER (WHERE blocked), 0) / 3600.0 AS numerator,
    sum(greatest(epoch(to_at) - epoch(from_at), 0)) FILTER (WHERE NOT blocked) / 3600.0 AS denominator,
    max(to_at) AS at
FROM counted
GROUP BY process, instance
