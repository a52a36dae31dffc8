-- Credentials: how they stand, who refused them, what became of their renewals. Nothing secret is in here.

-- mark: tells one content of the file from another. made: content that was made because the one before it was refused.
CREATE TABLE credential (
    name TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('good', 'expired', 'missing', 'refused')),
    since REAL NOT NULL,
    mark TEXT NOT NULL DEFAULT '',
    changed REAL NOT NULL DEFAULT 0,
    begins REAL,
    until REAL,
    source_until REAL,
    source_mark TEXT NOT NULL DEFAULT '',
    about TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT '',
    remedy TEXT NOT NULL DEFAULT '',
    refused TEXT NOT NULL DEFAULT '',
    refused_why TEXT NOT NULL DEFAULT '',
    made TEXT NOT NULL DEFAULT '',
    renewed REAL,
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL,
    final INTEGER NOT NULL DEFAULT 0 CHECK (final IN (0, 1)),
    warned REAL,
    warned_of TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- The credential that is waited for; what is to be said of it is said once, by those who look after it.
ALTER TABLE trouble ADD COLUMN credential TEXT NOT NULL DEFAULT '';
