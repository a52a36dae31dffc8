-- Jobs that a pull worker has fetched itself, as its list says; the rows of table job are of jobs that we have fetched.

CREATE TABLE pulled_job (
    worker_id INTEGER NOT NULL REFERENCES worker ON DELETE CASCADE,
    job_id INTEGER NOT NULL,
    PRIMARY KEY (worker_id, job_id)
) WITHOUT ROWID;
