-- Commands of the workload management system: numbers of workers, statistics, and those that mean nothing here, which are kept and shown.

CREATE TABLE command_now (
    command_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('kill_jobs', 'kill_workers', 'retry_jobs', 'stop', 'set_workers', 'report_statistics', 'unknown')),
    ids TEXT NOT NULL,
    constraints TEXT,
    why TEXT NOT NULL,
    origin TEXT NOT NULL,
    ack INTEGER NOT NULL CHECK (ack IN (0, 1)),
    done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
    result TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    name TEXT NOT NULL DEFAULT '',
    params TEXT NOT NULL DEFAULT ''
);

INSERT INTO command_now (command_id, kind, ids, constraints, why, origin, ack, done, result, created)
SELECT command_id, kind, ids, constraints, why, origin, ack, done, result, created FROM command ORDER BY created, rowid;

DROP TABLE command;

ALTER TABLE command_now RENAME TO command;

CREATE INDEX command_open ON command (created) WHERE done = 0;

-- What a worker is told as. sync: the system ends the jobs that it still has when it has ended.
ALTER TABLE worker ADD COLUMN job_type TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN resource_type TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN sync INTEGER NOT NULL DEFAULT 0 CHECK (sync IN (0, 1));

-- How many more workers of a kind the system wants of a queue (runMode slave); used up as they are made.
CREATE TABLE wish (
    queue TEXT NOT NULL,
    job_type TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    number INTEGER NOT NULL,
    command_id TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (queue, job_type, resource_type)
) WITHOUT ROWID;
