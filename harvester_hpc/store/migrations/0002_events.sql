-- Event ranges, their outputs and zips. A new kind of file: event_zip.

CREATE TABLE file_2 (
    file_id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('input', 'output', 'log', 'event_zip')),
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
INSERT INTO file_2 SELECT file_id, job_id, kind, lfn, state, scope, dataset, endpoint, guid, size, checksum, path, url, tries, why FROM file;
DROP TABLE file;
ALTER TABLE file_2 RENAME TO file;

-- A job that works on event ranges. dry: the system had fewer ranges than were asked for. tell, pack: when the propagator
-- and the stager look next; NULL: nothing to do.
CREATE TABLE event_job (
    job_id INTEGER PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    dry INTEGER NOT NULL DEFAULT 0 CHECK (dry IN (0, 1)),
    tell REAL,
    pack REAL
);

CREATE INDEX event_job_tell ON event_job (tell) WHERE tell IS NOT NULL;
CREATE INDEX event_job_pack ON event_job (pack) WHERE pack IS NOT NULL;

-- What ranges of one job share (file, GUID, scope), once for all of them.
CREATE TABLE event_origin (
    origin_id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    origin TEXT NOT NULL,
    UNIQUE (job_id, origin)
);

-- A row for each range, a million in one store: small, with the indexes that are needed. worker_id: who has it, or had it
-- last; feeds: to how many workers it was given; file_id: the zip that it is (to be) in.
CREATE TABLE event (
    event_id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    range_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('leased', 'fed', 'finished', 'zipped', 'staged', 'failed', 'fatal', 'done', 'dropped',
                                         'returned')),
    origin_id INTEGER NOT NULL,
    first INTEGER,
    last INTEGER,
    worker_id INTEGER,
    feeds INTEGER NOT NULL DEFAULT 0,
    file_id INTEGER,
    cores INTEGER,
    cpu_s REAL,
    UNIQUE (job_id, range_id)
);

CREATE INDEX event_turn ON event (job_id, state);
CREATE INDEX event_file ON event (file_id) WHERE file_id IS NOT NULL;

-- Where the output of a range lies until it is in a zip.
CREATE TABLE event_output (
    event_id INTEGER PRIMARY KEY REFERENCES event ON DELETE CASCADE,
    path TEXT NOT NULL,
    size INTEGER
);

-- Why a range failed, until that is told.
CREATE TABLE event_trouble (
    event_id INTEGER PRIMARY KEY REFERENCES event ON DELETE CASCADE,
    why TEXT NOT NULL
);

-- A worker that wants ranges. wanted: how many, NULL: as its letter says. pending: rows that it has in the store and perhaps
-- not in its letter yet.
CREATE TABLE event_request (
    worker_id INTEGER PRIMARY KEY REFERENCES worker ON DELETE CASCADE,
    wanted INTEGER,
    pending TEXT NOT NULL DEFAULT '',
    due REAL NOT NULL
);

CREATE INDEX event_request_due ON event_request (due);

-- A zip on its way. packed: it lies there whole.
CREATE TABLE event_zip (
    file_id INTEGER PRIMARY KEY REFERENCES file ON DELETE CASCADE,
    job_id INTEGER NOT NULL,
    packed INTEGER NOT NULL DEFAULT 0 CHECK (packed IN (0, 1)),
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL
);

CREATE INDEX event_zip_due ON event_zip (due);

-- A call to the workload management system that was begun. Still there after the call: its answer is not known.
CREATE TABLE event_call (
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    what TEXT NOT NULL CHECK (what IN ('lease', 'tell')),
    PRIMARY KEY (job_id, what)
) WITHOUT ROWID;
