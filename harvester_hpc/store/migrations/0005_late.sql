-- Late binding: workers that are submitted without jobs, and ask for some when their nodes are theirs.

ALTER TABLE worker ADD COLUMN late INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1));

-- A worker that asks for jobs. since: when that was seen. pending: jobs that are bound to it in the store, and perhaps not in its
-- letters yet.
CREATE TABLE job_request (
    worker_id INTEGER PRIMARY KEY REFERENCES worker ON DELETE CASCADE,
    since REAL NOT NULL,
    due REAL NOT NULL,
    pending TEXT NOT NULL DEFAULT ''
);

CREATE INDEX job_request_due ON job_request (due);
