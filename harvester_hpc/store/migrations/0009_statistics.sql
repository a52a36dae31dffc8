-- Numbers of workers as the workload management system was told them last, and what it says of itself.

-- due: they are to be told at once (NULL: when they have changed, or now and then).
CREATE TABLE site_statistics (
    site TEXT PRIMARY KEY,
    numbers TEXT NOT NULL DEFAULT '',
    told REAL NOT NULL DEFAULT 0,
    due REAL
) WITHOUT ROWID;

CREATE INDEX site_statistics_due ON site_statistics (due) WHERE due IS NOT NULL;

-- What the system was asked for, and seldom changes.
CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    changed REAL NOT NULL
) WITHOUT ROWID;
