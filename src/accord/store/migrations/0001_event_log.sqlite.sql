-- The log. `body` holds the very bytes that are hashed (Event.canonical), so a leaf hash for Merkle proofs is one SHA-256 away;
-- `id` and `type` repeat what stands in the body, to be found by.
CREATE TABLE event (
  seq INTEGER NOT NULL PRIMARY KEY, -- in SQLite the name of the row itself
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX event_type ON event (type, seq);
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: an event cannot be changed'); END;
CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the event log is append-only: an event cannot be removed'); END;

-- Where the log ends. A chain alone cannot show that its last events were cut off.
CREATE TABLE log_head (one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), seq BIGINT NOT NULL, hash TEXT NOT NULL);
INSERT INTO log_head VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- Which projections are here, from which definition each was built, and the views made with it (a JSON list).
CREATE TABLE projection (name TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL, views TEXT NOT NULL);

-- Who may write; the row stays after a release, so that the fencing token only ever grows.
CREATE TABLE lease (
  name TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  pid BIGINT NOT NULL,
  host TEXT NOT NULL,
  process TEXT NOT NULL,
  token BIGINT NOT NULL,
  expires_at TEXT NOT NULL
);
