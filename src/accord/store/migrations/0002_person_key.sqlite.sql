-- Keys of persons: their values in events are sealed with them. Outside the log and never rebuilt: without its row, what was sealed for a
-- person cannot be read by anybody. `lookup` is a keyed hash of who it is; `wrapped` is the key, sealed with the file `kek` names.
CREATE TABLE person_key (id TEXT NOT NULL PRIMARY KEY, lookup TEXT NOT NULL UNIQUE, wrapped TEXT NOT NULL, kek TEXT NOT NULL);

-- The file that wraps keys now; empty before the first.
CREATE TABLE sealing (one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), kek TEXT NOT NULL);
INSERT INTO sealing VALUES (1, '');

-- Erasures whose keys are gone and whose traces are still being wiped: each names the key file to be destroyed.
CREATE TABLE erasure (kek TEXT NOT NULL PRIMARY KEY);
