-- name: plan_stability
-- title: Tasks whose plan held in the last two weeks
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- processes: joint_cycles
-- covers: C1
-- source: C1 of the marketing-operations specification (plan stability)
-- note: Of the tasks that a joint plan named two weeks or more before they were to begin, those whose beginning no plan made in these two
--   weeks has moved. A task that was called off is no longer a task.
-- example:
--   work_step(process, instance, seq, activity, complete_at, attributes): ('joint_cycles', 'm1', 1, 'joint_planning', '2025-01-02', '{"variables": {"planned": [{"task": "a", "campaign": "c", "begins": "2025-02-20"}, {"task": "b", "campaign": "c", "begins": "2025-02-10"}, {"task": "d", "campaign": "c", "begins": "2025-01-05"}]}}'), ('joint_cycles', 'm2', 2, 'joint_planning', '2025-02-03', '{"variables": {"planned": [{"task": "a", "campaign": "c", "begins": "2025-03-20"}, {"task": "b", "campaign": "c", "begins": "2025-02-12"}]}}')
--   expect: 0.5
WITH plan AS (
    SELECT seq, complete_at, unnest(CAST(attributes -> '$.variables.planned' AS JSON[])) AS row
    FROM work_step
    WHERE process = 'joint_cycles' AND activity = 'joint_planning' AND event_type IS DISTINCT FROM 'task.reopened'
),
task AS (
    SELECT
        seq,
        complete_at,
        row ->> '$.task' AS task,
        row ->> '$.campaign' AS campaign,
        CAST(row ->> '$.begins' AS DATE) AS begins,
        lag(CAST(row ->> '$.begins' AS DATE)) OVER (PARTITION BY row ->> '$.task' ORDER BY seq) AS before
    FROM plan
)
SELECT
    arg_min(campaign, seq) AS cluster,
    1 - max(CASE WHEN begins <> before AND before - CAST(complete_at AS DATE) < 14 AND before >= CAST(complete_at AS DATE) THEN 1 ELSE 0 END)
        AS numerator,
    1 AS denominator,
    CAST(arg_max(begins, seq) AS TIMESTAMPTZ) AS at
FROM task
GROUP BY task
HAVING bool_or(begins - CAST(complete_at AS DATE) >= 14)
