-- name: alerts_answered
-- title: Test alerts that reached everybody they were for
-- unit: share
-- better: higher
-- aggregate: ratio
-- cluster: campaign
-- window: all
-- processes: campaign_planning
-- covers: W5
-- source: W5 of the marketing-operations specification (alert routes tested by a synthetic breach)
-- note: Of the alerts on a made-up breach before a campaign, those that the owner of every route answered within a day. One that was not is
--   repaired and tested again before the campaign goes on.
-- example:
--   work_step(process, instance, seq, activity, complete_at, attributes): ('campaign_planning', 'a', 1, 'test_alert', '2025-01-01', '{}'), ('campaign_planning', 'a', 2, 'alert_heard', '2025-01-02', '{"variables": {"acknowledged": true, "unheard": 1}}'), ('campaign_planning', 'a', 3, 'test_alert', '2025-01-03', '{}'), ('campaign_planning', 'a', 4, 'alert_heard', '2025-01-03', '{"variables": {"acknowledged": true, "unheard": 0}}')
--   expect: 0.5
SELECT
    instance AS cluster,
    CASE WHEN CAST(attributes ->> '$.variables.acknowledged' AS BOOLEAN) AND CAST(attributes ->> '$.variables.unheard' AS INTEGER) = 0
        THEN 1 ELSE 0 END AS numerator,
    1 AS denominator,
    complete_at AS at
FROM work_step
WHERE process = 'campaign_planning' AND activity = 'alert_heard'
