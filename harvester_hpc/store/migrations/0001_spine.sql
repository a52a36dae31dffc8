-- The spine: jobs, files, workers, reports, commands, the lease.

CREATE TABLE lease (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started REAL NOT NULL,
    boot TEXT NOT NULL,
    since REAL NOT NULL,
    beat REAL NOT NULL,
    beats INTEGER NOT NULL,
    released INTEGER NOT NULL CHECK (released IN (0, 1)),
    program TEXT NOT NULL
);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO counter (name, value) VALUES ('worker', 0);

-- due: when the owner of the state looks next; for a final state, when the row may go (NULL: not told yet).
CREATE TABLE job (
    job_id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running', 'to_transfer',
                                         'transferring', 'finished', 'failed', 'cancelled')),
    outcome TEXT CHECK (outcome IN ('finished', 'failed', 'cancelled')),
    attempt INTEGER NOT NULL,
    task_id INTEGER,
    priority INTEGER NOT NULL,
    resource_type TEXT NOT NULL,
    cores INTEGER NOT NULL,
    ram_mb INTEGER NOT NULL,
    walltime_s INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    submissions INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    cancel TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    changed REAL NOT NULL,
    due REAL
);

CREATE INDEX job_turn ON job (state, due);
CREATE INDEX job_pick ON job (queue, state, priority DESC, job_id);

CREATE TABLE job_params (
    job_id INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    params TEXT NOT NULL
);

CREATE TABLE job_attributes (
    job_id INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    attributes TEXT NOT NULL
);

CREATE TABLE file (
    file_id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('input', 'output', 'log')),
    lfn TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('to_prepare', 'preparing', 'ready', 'expected', 'defined', 'transferring',
                                         'finished', 'failed')),
    scope TEXT NOT NULL DEFAULT '',
    dataset TEXT NOT NULL DEFAULT '',
    endpoint TEXT NOT NULL DEFAULT '',
    guid TEXT NOT NULL DEFAULT '',
    size INTEGER,
    checksum TEXT NOT NULL DEFAULT '',
    path TEXT NOT NULL DEFAULT '',
    url TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    UNIQUE (job_id, kind, lfn)
);

-- kill_due: when the sweeper ends it; look: when the messenger reads its letters; tell: when the workload
-- management system is told of it; gone: since when the batch system does not know it.
CREATE TABLE worker (
    worker_id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    map_type TEXT NOT NULL CHECK (map_type IN ('NoJob', 'OneToOne', 'OneToMany', 'ManyToOne')),
    state TEXT NOT NULL CHECK (state IN ('planned', 'submitted', 'running', 'finished', 'failed', 'cancelled', 'missed')),
    key TEXT NOT NULL UNIQUE,
    access_point TEXT NOT NULL UNIQUE,
    nodes INTEGER NOT NULL,
    cores INTEGER NOT NULL,
    walltime_s INTEGER NOT NULL,
    ram_mb INTEGER NOT NULL,
    gpus_per_node INTEGER NOT NULL,
    batch_id TEXT NOT NULL DEFAULT '',
    batch_queue TEXT NOT NULL DEFAULT '',
    native_status TEXT NOT NULL DEFAULT '',
    node TEXT NOT NULL DEFAULT '',
    exit_code INTEGER,
    submissions INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    kill TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL,
    changed REAL NOT NULL,
    submitted REAL,
    started REAL,
    ended REAL,
    due REAL,
    kill_due REAL,
    look REAL,
    tell REAL,
    gone REAL,
    heartbeat REAL
);

CREATE INDEX worker_turn ON worker (state, due);
CREATE INDEX worker_queue ON worker (queue, state);
CREATE INDEX worker_kill ON worker (kill_due) WHERE kill_due IS NOT NULL;
CREATE INDEX worker_look ON worker (look) WHERE look IS NOT NULL;
CREATE INDEX worker_tell ON worker (tell) WHERE tell IS NOT NULL;
CREATE INDEX worker_batch ON worker (batch_id) WHERE batch_id <> '';

-- which jobs a worker has
CREATE TABLE bond (
    worker_id INTEGER NOT NULL REFERENCES worker ON DELETE CASCADE,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    PRIMARY KEY (worker_id, job_id)
) WITHOUT ROWID;

CREATE INDEX bond_job ON bond (job_id);

-- The outbox: what the workload management system is to be told of a job; the newest replaces an untold one.
-- After a report that is not final was taken, the row stays and is the next heartbeat.
CREATE TABLE report (
    job_id INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running', 'to_transfer',
                                         'transferring', 'finished', 'failed', 'cancelled')),
    told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL
);

CREATE INDEX report_due ON report (due);

CREATE TABLE command (
    command_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('kill_jobs', 'kill_workers', 'retry_jobs', 'stop')),
    ids TEXT NOT NULL,
    constraints TEXT,
    why TEXT NOT NULL,
    origin TEXT NOT NULL,
    ack INTEGER NOT NULL CHECK (ack IN (0, 1)),
    done INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1)),
    result TEXT NOT NULL DEFAULT '',
    created REAL NOT NULL
);

CREATE INDEX command_open ON command (created) WHERE done = 0;

-- Since when an agent (or one queue of it) waits, why, and until when. No row: no trouble.
CREATE TABLE trouble (
    agent TEXT NOT NULL,
    queue TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    count INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (agent, queue)
) WITHOUT ROWID;

CREATE TABLE agent (
    name TEXT PRIMARY KEY,
    round REAL NOT NULL,
    rounds INTEGER NOT NULL,
    changes INTEGER NOT NULL
) WITHOUT ROWID;
