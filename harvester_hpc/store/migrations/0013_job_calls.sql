-- Requests for jobs to a system that gives each job once: what is under way, and answers that were lost.

CREATE TABLE job_call (
    queue TEXT PRIMARY KEY,
    asked REAL NOT NULL,
    wanted INTEGER NOT NULL
) WITHOUT ROWID;

-- Up to so many jobs may be ours there and are not known here.
CREATE TABLE lost_answer (
    lost_id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    asked REAL NOT NULL,
    wanted INTEGER NOT NULL,
    why TEXT NOT NULL
);

CREATE INDEX lost_answer_asked ON lost_answer (asked);
