-- Logs of workers that are shown to people far away. worker.logs: whether they are to be.

ALTER TABLE worker ADD COLUMN logs INTEGER NOT NULL DEFAULT 0 CHECK (logs IN (0, 1));

-- Stays longer than the worker: what is shown has to be removed some day. since: when they were first wanted.
CREATE TABLE worker_log (
    worker_id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'wanted', 'shown')),
    tries INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL,
    due REAL
);

CREATE INDEX worker_log_due ON worker_log (due) WHERE due IS NOT NULL;

-- name: '' if nothing was copied. size, stamp: of the log when it was.
CREATE TABLE log_copy (
    worker_id INTEGER NOT NULL REFERENCES worker_log ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('stdout', 'stderr', 'batch')),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    size INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    PRIMARY KEY (worker_id, kind)
) WITHOUT ROWID;
