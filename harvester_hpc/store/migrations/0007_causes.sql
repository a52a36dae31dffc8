-- Why a job or a worker did not end well, as one word ('' while nothing went wrong, or nobody knows).

ALTER TABLE job ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN cause TEXT NOT NULL DEFAULT '';
