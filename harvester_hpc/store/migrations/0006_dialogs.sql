-- What an operator far away is to be told: one row for each cause and day.

-- number: how often it happened since; due: when it is sent (NULL: told, or one too many).
CREATE TABLE dialog (
    dialog_id INTEGER PRIMARY KEY AUTOINCREMENT,
    module TEXT NOT NULL,
    identifier TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('WARNING', 'ERROR')),
    message TEXT NOT NULL,
    number INTEGER NOT NULL DEFAULT 1,
    since REAL NOT NULL,
    last REAL NOT NULL,
    told REAL,
    due REAL
);

CREATE INDEX dialog_cause ON dialog (module, identifier, since);
CREATE INDEX dialog_since ON dialog (since);
CREATE INDEX dialog_due ON dialog (due) WHERE due IS NOT NULL;
