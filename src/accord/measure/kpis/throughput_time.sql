-- name: throughput_time
-- title: Throughput time of a case
-- unit: h
-- better: lower
-- aggregate: median
-- cluster: case
-- window: all
-- dims: process
-- covers: F1
-- source: F1 of the marketing-operations specification (lead time of lean value-stream mapping)
-- note: From the first moment recorded (start, or completion where starts are not known) to the last completion. A case that still
--   runs counts with the time so far. Calendar hours.
-- example:
--   event_log(process, case_id, complete_at): ('p', 'a', '2025-01-01 00:00'), ('p', 'a', '2025-01-01 04:00'), ('p', 'b', '2025-01-02 00:00'), ('p', 'b', '2025-01-02 10:00')
--   expect: 7
SELECT
    process,
    process || '/' || case_id AS cluster,
    (epoch_us(max(complete_at)) - epoch_us(least(min(start_at), min(complete_at)))) / 3600000000.0 AS value,
    max(complete_at) AS at
FROM event_log
GROUP BY process, case_id
