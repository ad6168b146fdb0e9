-- name: sync_success
-- title: Synchronization success (strict)
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: change and target
-- window: all
-- dims: flow; flow, target
-- covers: F5
-- source: F5 of the marketing-operations specification (currentness and consistency of ISO/IEC 25012; freshness objectives of SRE)
-- note: Of the pairs of a change and a target that were due, those whose value was read back in the target within the freshness the
--   flow promises. A row kept in quarantine is a failure, once for each target it should have reached. A pair that failed and
--   arrived later counts once, by the time from its first capture. What is due comes from reading the sources, not from a queue.
-- example:
--   change_target(flow, run, key, source, target, verified, quarantined, source_broken, freshness_seconds, slo_seconds): ('f', 'r', '1', 's', 't', true, false, false, 30, 60), ('f', 'r', '2', 's', 't', true, false, false, NULL, 60), ('f', 'r', '3', 's', 't', false, true, true, NULL, 60), ('f', 'r', '4', 's', 't', true, false, false, 90, 60)
--   expect: 0.5
SELECT
    flow,
    target,
    concat_ws('/', flow, run, key, source, target) AS cluster,
    CASE WHEN verified AND NOT coalesce(quarantined, false) AND coalesce(freshness_seconds <= slo_seconds, true) THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    coalesce(captured_at, verified_at, source_changed_at) AS at
FROM change_target
WHERE due IS DISTINCT FROM false
