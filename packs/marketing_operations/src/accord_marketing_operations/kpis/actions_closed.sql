-- name: actions_closed
-- title: Actions of retrospectives closed within 30 days
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: action
-- window: all
-- processes: improvement, content_program
-- covers: W12
-- source: W12 of the marketing-operations specification (action closure share within 30 d)
-- note: Of the accepted actions of retrospectives that were closed or whose 30 days are over, those closed in time: adopted as the new
--   standard or taken back.
-- example:
--   work_instance(process, instance, parent, status, started_at, ended_at): ('content_program', 'p', '', 'completed', '2025-01-01', '2025-01-02'), ('improvement', 'i1', 'p', 'completed', '2025-01-01', '2025-01-21'), ('improvement', 'i2', 'p', 'running', '2025-01-01', NULL), ('improvement', 'i3', 'q', 'completed', '2025-01-01', '2025-01-03')
--   expect: 0.5
SELECT
    i.instance AS cluster,
    CASE WHEN i.status = 'completed' AND i.ended_at <= i.started_at + INTERVAL 30 DAY THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    i.started_at AS at
FROM work_instance AS i
JOIN work_instance AS p ON p.instance = i.parent AND p.process = 'content_program'
CROSS JOIN clock
WHERE i.process = 'improvement' AND (i.ended_at IS NOT NULL OR i.started_at + INTERVAL 30 DAY <= clock.now)
