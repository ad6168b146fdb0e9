-- name: alert_delay
-- title: Time from a breach to its alert
-- unit: min
-- better: lower
-- aggregate: median
-- cluster: case
-- window: all
-- dims: process
-- processes: joint_cycles
-- covers: C3
-- source: C3 of the marketing-operations specification (detection time)
-- note: From the moment the agreed time of a task or handoff was over to the moment somebody was told of it. Calendar minutes.
-- example:
--   work_alert(process, case_id, breach_at, alert_at): ('p', 'a', '2025-01-01 08:00', '2025-01-01 08:01'), ('p', 'b', '2025-01-02 08:00', '2025-01-02 08:03')
--   expect: 2
SELECT process, process || '/' || case_id AS cluster, (epoch_us(alert_at) - epoch_us(breach_at)) / 60000000.0 AS value, alert_at AS at
FROM work_alert
WHERE breach_at IS NOT NULL
