-- Files in batches: inputs that jobs share, what is on its way, and the batches.

INSERT INTO counter (name, value) VALUES ('transfer', 0);

-- An input that is kept for all jobs which need it. size: -1 if nobody said.
CREATE TABLE input (
    input_id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    scope TEXT NOT NULL,
    lfn TEXT NOT NULL,
    checksum TEXT NOT NULL,
    size INTEGER NOT NULL,
    origin TEXT NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('wanted', 'ready', 'failed', 'leaving')),
    bytes INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    used REAL NOT NULL,
    UNIQUE (root, scope, lfn, checksum, size, origin)
);

CREATE INDEX input_state ON input (root, state, used);

-- Which file of which job is which input.
CREATE TABLE input_use (
    file_id INTEGER PRIMARY KEY REFERENCES file ON DELETE CASCADE,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    input_id INTEGER NOT NULL REFERENCES input
);

CREATE INDEX input_use_input ON input_use (input_id);
CREATE INDEX input_use_job ON input_use (job_id);

-- A batch. Its row is there before the outside hears of it, with the token that makes its submission unique.
CREATE TABLE transfer (
    transfer_id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    hop INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'active', 'ended', 'cancelled')),
    source TEXT NOT NULL,
    destination TEXT NOT NULL,
    options TEXT NOT NULL,
    token TEXT NOT NULL DEFAULT '',
    task TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT '',
    remedy TEXT NOT NULL DEFAULT '',
    files INTEGER NOT NULL,
    size INTEGER NOT NULL,
    done_files INTEGER NOT NULL DEFAULT 0,
    done_size INTEGER NOT NULL DEFAULT 0,
    event TEXT NOT NULL DEFAULT '',
    faults INTEGER NOT NULL DEFAULT 0,
    submissions INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0 CHECK (cancel IN (0, 1)),
    created REAL NOT NULL,
    changed REAL NOT NULL,
    submitted REAL,
    due REAL,
    stuck REAL
);

CREATE INDEX transfer_due ON transfer (due) WHERE due IS NOT NULL;
CREATE INDEX transfer_over ON transfer (changed) WHERE due IS NULL;
CREATE INDEX transfer_mover ON transfer (queue, direction, hop, state);

-- A file on its way: an output (file_id) or an input (input_id). routed: whether its way is known. since: when it first wanted
-- to move on this hop; due: from when on it may go into a batch.
CREATE TABLE parcel (
    parcel_id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    hop INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'moving', 'moved', 'failed', 'dropped')),
    file_id INTEGER UNIQUE REFERENCES file ON DELETE CASCADE,
    input_id INTEGER UNIQUE REFERENCES input ON DELETE CASCADE,
    job_id INTEGER NOT NULL,
    at_name TEXT NOT NULL DEFAULT '',
    at_path TEXT NOT NULL DEFAULT '',
    routed INTEGER NOT NULL DEFAULT 0 CHECK (routed IN (0, 1)),
    source TEXT NOT NULL DEFAULT '',
    source_path TEXT NOT NULL DEFAULT '',
    destination TEXT NOT NULL DEFAULT '',
    destination_path TEXT NOT NULL DEFAULT '',
    readable TEXT NOT NULL DEFAULT '',
    options TEXT NOT NULL DEFAULT '[]',
    size INTEGER,
    checksum TEXT NOT NULL DEFAULT '',
    transfer_id INTEGER REFERENCES transfer ON DELETE SET NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL,
    due REAL NOT NULL
);

CREATE INDEX parcel_waiting ON parcel (queue, direction, hop, routed, due) WHERE state = 'waiting';
CREATE INDEX parcel_next ON parcel (due) WHERE state = 'waiting';
CREATE INDEX parcel_open ON parcel (parcel_id) WHERE state IN ('waiting', 'moving');
CREATE INDEX parcel_transfer ON parcel (transfer_id, state) WHERE transfer_id IS NOT NULL;
