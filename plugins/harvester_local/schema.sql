-- The embedded workload management system: its jobs, and what its client has told.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO about VALUES ('identity', lower(hex(randomblob(16))));

-- id is the PandaID; AUTOINCREMENT: never used twice.
-- killed: somebody wants it to end. parent: the attempt before. task: jobs of one submission; NULL for its first.
-- letter, part: the file of the inbox it came from, and its place in it; '' when it was submitted.
-- handed_to, handed: the process that was given it last, and when.
CREATE TABLE IF NOT EXISTS job (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    state         TEXT    NOT NULL CHECK (state IN ('activated', 'sent', 'starting', 'running', 'transferring', 'holding',
                                                    'finished', 'failed', 'cancelled')),
    killed        INTEGER NOT NULL DEFAULT 0 CHECK (killed IN (0, 1)),
    queue         TEXT    NOT NULL,
    label         TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    resource_type TEXT    NOT NULL,
    attempt       INTEGER NOT NULL CHECK (attempt >= 1),
    attempts      INTEGER NOT NULL CHECK (attempts >= 1),
    parent        INTEGER REFERENCES job (id),
    task          INTEGER,
    letter        TEXT    NOT NULL DEFAULT '',
    part          INTEGER NOT NULL DEFAULT 0,
    site          TEXT    NOT NULL DEFAULT '',
    handed_to     TEXT    NOT NULL DEFAULT '',
    handed        REAL    NOT NULL DEFAULT 0,
    created       REAL    NOT NULL,
    changed       REAL    NOT NULL,
    sub_status    TEXT    NOT NULL DEFAULT '',
    batch_id      TEXT    NOT NULL DEFAULT '',
    why           TEXT    NOT NULL DEFAULT '',
    description   TEXT    NOT NULL,
    report        TEXT    NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS job_waiting ON job (priority DESC, id) WHERE state = 'activated';
CREATE INDEX IF NOT EXISTS job_state ON job (state, changed);
CREATE UNIQUE INDEX IF NOT EXISTS job_parent ON job (parent) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS job_letter ON job (letter, part) WHERE letter <> '';

CREATE TABLE IF NOT EXISTS command (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    command   TEXT    NOT NULL,
    params    TEXT    NOT NULL,
    ack       INTEGER NOT NULL CHECK (ack IN (0, 1)),
    state     TEXT    NOT NULL CHECK (state IN ('new', 'retrieved', 'acknowledged', 'dropped')),
    handed_to TEXT    NOT NULL DEFAULT '',
    created   REAL    NOT NULL
);
CREATE INDEX IF NOT EXISTS command_open ON command (id) WHERE state IN ('new', 'retrieved');

CREATE TABLE IF NOT EXISTS worker (
    instance TEXT    NOT NULL,
    id       INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    batch_id TEXT    NOT NULL,
    report   TEXT    NOT NULL,
    changed  REAL    NOT NULL,
    PRIMARY KEY (instance, id)
) WITHOUT ROWID;

-- What an instance says of itself ('heartbeat') and of its sites ('workers <site>').
CREATE TABLE IF NOT EXISTS told (
    instance TEXT NOT NULL,
    subject  TEXT NOT NULL,
    value    TEXT NOT NULL,
    changed  REAL NOT NULL,
    PRIMARY KEY (instance, subject)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS dialog (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    instance TEXT NOT NULL,
    id       TEXT NOT NULL,
    message  TEXT NOT NULL,
    UNIQUE (instance, id)
);

-- Jobs that work on event ranges; root: the first attempt, of which they all are.
CREATE TABLE IF NOT EXISTS event_job (
    job  INTEGER PRIMARY KEY REFERENCES job (id),
    root INTEGER NOT NULL REFERENCES job (id)
);

CREATE TABLE IF NOT EXISTS event_task (
    root      INTEGER PRIMARY KEY REFERENCES job (id),
    ranges    INTEGER NOT NULL,
    per_range INTEGER NOT NULL,
    attempts  INTEGER NOT NULL
);

-- job: who has it, or has ended it.
CREATE TABLE IF NOT EXISTS event_range (
    root    INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    state   TEXT    NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'sent', 'finished', 'failed', 'fatal')),
    job     INTEGER,
    zip     INTEGER,
    why     TEXT,
    PRIMARY KEY (root, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_range_ready ON event_range (root, number) WHERE state = 'ready';
CREATE INDEX IF NOT EXISTS event_range_job ON event_range (job, state) WHERE job IS NOT NULL;

CREATE TABLE IF NOT EXISTS event_zip (
    id       INTEGER PRIMARY KEY,
    job      INTEGER NOT NULL,
    lfn      TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    checksum TEXT    NOT NULL,
    url      TEXT    NOT NULL,
    UNIQUE (job, lfn)
);

PRAGMA user_version = 2;
COMMIT;
