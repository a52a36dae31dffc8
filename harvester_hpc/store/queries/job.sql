-- name: insert
-- A job that was fetched; known ones are left alone.
INSERT INTO job (job_id, queue, state, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, why, created, changed, due, cause,
                 version)
VALUES (?1, ?2, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        COALESCE((SELECT number FROM queue_version WHERE queue_version.queue = ?2 AND current = 1), 0))
ON CONFLICT (job_id) DO NOTHING;

-- name: forget_older_attempt
-- An ended and told attempt makes room for a later one of the same job.
DELETE FROM job WHERE job_id = ? AND attempt < ? AND state IN ('finished', 'failed', 'cancelled') AND due IS NOT NULL;

-- name: insert_params
-- What the workload management system said of it.
INSERT INTO job_params (job_id, params) VALUES (?, ?);

-- name: step
-- From one state to another (or to another look), unless somebody was faster.
UPDATE job SET state = ?, due = ?, tries = ?, why = ?, outcome = ?, cause = ?, changed = ? WHERE job_id = ? AND state = ?;

-- name: bind
-- From prepared to submitted: bound to a worker.
UPDATE job SET state = 'submitted', due = ?, tries = 0, submissions = submissions + 1, why = '', cause = '', changed = ?
WHERE job_id = ? AND state = 'prepared' AND cancel = '';

-- name: uncount
-- It was not begun in a worker that worked: that submission does not count.
UPDATE job SET submissions = max(0, submissions - 1) WHERE job_id = ?;

-- name: bind_more
-- Another worker for a job that has one already (OneToMany).
UPDATE job SET changed = changed WHERE job_id = ? AND state IN ('submitted', 'running') AND cancel = '';

-- name: of_queue
-- Jobs of one queue in one state, in the order in which they get workers.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE queue = ? AND state = ? ORDER BY priority DESC, job_id LIMIT ?;

-- name: due
-- Jobs of one state that want looking at, the most urgent first.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE state = ? AND due <= ? ORDER BY due LIMIT ?;

-- name: next_due
-- When the next job of one state wants looking at.
SELECT min(due) FROM job WHERE state = ? AND due IS NOT NULL;

-- name: pick
-- Prepared jobs of one queue, in the order in which they get workers.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE queue = ? AND state = 'prepared' ORDER BY priority DESC, job_id LIMIT ?;

-- name: cancelled_before_their_worker
-- Prepared jobs of any queue that are to be cancelled.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE state = 'prepared' AND cancel <> '' LIMIT ?;

-- name: by_ids
-- Jobs by their numbers.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE job_id IN (SELECT value FROM json_each(?));

-- name: of_workers
-- Jobs of some workers, each with its worker's number in front.
SELECT bond.worker_id, job.job_id, job.queue, job.state, job.outcome, job.attempt, job.task_id, job.priority, job.resource_type,
       job.cores, job.ram_mb, job.walltime_s, job.tries, job.submissions, job.why, job.cancel, job.created, job.changed, job.due, job.cause
FROM json_each(?) AS wanted JOIN bond ON bond.worker_id = wanted.value JOIN job ON job.job_id = bond.job_id;

-- name: params
-- Job dictionaries.
SELECT job_id, params FROM job_params WHERE job_id IN (SELECT value FROM json_each(?));

-- name: attributes
-- What the workers told of some jobs.
SELECT job_id, attributes FROM job_attributes WHERE job_id IN (SELECT value FROM json_each(?));

-- name: set_attributes
-- The newest word of a worker replaces the older.
INSERT INTO job_attributes (job_id, attributes) VALUES (?, ?)
ON CONFLICT (job_id) DO UPDATE SET attributes = excluded.attributes;

-- name: set_share
-- The newest word of one of several workers replaces its older one; the same word again changes nothing.
INSERT INTO share (job_id, worker_id, attributes) VALUES (?, ?, ?)
ON CONFLICT (job_id, worker_id) DO UPDATE SET attributes = excluded.attributes WHERE attributes <> excluded.attributes;

-- name: shares
-- The workers of a job, the oldest first, and what each has told of it.
SELECT bond.worker_id, worker.cores, worker.state, worker.started, worker.ended, share.attributes
FROM bond JOIN worker ON worker.worker_id = bond.worker_id
     LEFT JOIN share ON share.job_id = bond.job_id AND share.worker_id = bond.worker_id
WHERE bond.job_id = ? ORDER BY bond.worker_id;

-- name: cancel
-- Mark a job for its owner to cancel; the first reason stays.
UPDATE job SET cancel = CASE WHEN cancel = '' THEN ? ELSE cancel END, due = ?
WHERE job_id = ? AND state NOT IN ('finished', 'failed', 'cancelled');

-- name: release
-- The workload management system has taken the end: the row may go after a while.
UPDATE job SET due = ? WHERE job_id = ? AND state IN ('finished', 'failed', 'cancelled');

-- name: forget
-- A job whose time has come.
DELETE FROM job WHERE job_id = ? AND state IN ('finished', 'failed', 'cancelled') AND due IS NOT NULL;

-- name: counts
-- Jobs by queue and state.
SELECT queue, state, count(*) FROM job GROUP BY queue, state;

-- name: tried_again
-- Jobs whose staging did not work and is tried again, by queue and state; when and why are those of the one that was tried most often.
SELECT queue, state, count(*), max(tries), due, why FROM job
WHERE state IN ('fetched', 'preparing', 'to_transfer', 'transferring') AND tries > 0 GROUP BY queue, state;

-- name: queue_counts
-- Jobs of one queue that go on, by state; those of the last days, a hundred times as many, are not counted.
SELECT state, count(*) FROM job
WHERE queue = ? AND state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running', 'to_transfer', 'transferring') GROUP BY state;

-- name: queue_amounts
-- Jobs of one queue that go on, by state and type of resources: how many, and their cores.
SELECT state, resource_type, count(*), coalesce(sum(cores), 0) FROM job
WHERE queue = ? AND state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running', 'to_transfer', 'transferring')
GROUP BY state, resource_type;

-- name: pick_type
-- Prepared jobs of one queue and one type of resources, in the order in which they get workers.
SELECT job_id, queue, state, outcome, attempt, task_id, priority, resource_type, cores, ram_mb, walltime_s, tries, submissions,
       why, cancel, created, changed, due, cause
FROM job WHERE queue = ? AND state = 'prepared' AND resource_type = ? ORDER BY priority DESC, job_id LIMIT ?;
