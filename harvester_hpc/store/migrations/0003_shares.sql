-- What each of several workers tells of one job; job_attributes has what they tell together.

CREATE TABLE share (
    job_id INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
    worker_id INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (job_id, worker_id)
) WITHOUT ROWID;
