-- Events of running processes are most of a log, come with every step, and are found by what they are about; of the index by type each
-- of them took a page of its own in every commit. So only the other types are in it: a query has to say the same condition.
DROP INDEX event_type;
CREATE INDEX event_rare_type ON event (type, seq)
WHERE substr(type, 1, 5) <> 'task.' AND substr(type, 1, 6) <> 'token.' AND substr(type, 1, 8) NOT IN ('handoff.', 'process.');
