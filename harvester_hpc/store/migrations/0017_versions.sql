-- The configuration with which each worker and job was made, and those that this instance has worked with.

-- content: the queue as JSON that can be read again; once for each distinct one. current: new jobs and workers are made with it.
CREATE TABLE queue_version (
    number INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    content TEXT NOT NULL,
    made REAL NOT NULL,
    current INTEGER NOT NULL DEFAULT 0 CHECK (current IN (0, 1)),
    UNIQUE (queue, content)
);
CREATE INDEX queue_version_current ON queue_version (queue) WHERE current = 1;

-- content: as `config show --resolved` prints it.
CREATE TABLE configuration (
    number INTEGER PRIMARY KEY,
    made REAL NOT NULL,
    how TEXT NOT NULL CHECK (how IN ('started', 'changed')),
    content TEXT NOT NULL
);

-- 0: made before versions were kept.
ALTER TABLE worker ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
