-- name: reserve
-- Numbers for new workers; they never come twice.
UPDATE counter SET value = value + ? WHERE name = 'worker';

-- name: reserved
-- The last number that was given out.
SELECT value FROM counter WHERE name = 'worker';

-- name: go_past
-- Numbers up to this one are not given out any more.
UPDATE counter SET value = max(value, ?) WHERE name = 'worker';

-- name: insert
-- The intent: a worker that is about to be submitted.
INSERT INTO worker (worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node,
                    batch_queue, submissions, created, changed, due, late, logs, job_type, resource_type, sync, version)
VALUES (?1, ?2, ?, 'planned', ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?,
        COALESCE((SELECT number FROM queue_version WHERE queue_version.queue = ?2 AND current = 1), 0));

-- name: bond
-- A job gets a worker.
INSERT INTO bond (worker_id, job_id) VALUES (?, ?);

-- name: step
-- From one state to another (or to another look), unless somebody was faster. What is not said stays.
UPDATE worker SET state = ?1, due = ?2, tries = ?3, batch_id = coalesce(?4, batch_id), native_status = coalesce(?5, native_status),
    node = coalesce(?6, node), exit_code = coalesce(?7, exit_code), submissions = coalesce(?8, submissions), why = coalesce(?9, why),
    submitted = coalesce(?10, submitted), started = coalesce(?11, started), ended = coalesce(?12, ended),
    cause = coalesce(?17, cause), changed = ?13, gone = NULL, tell = CASE WHEN ?14 THEN ?13 ELSE tell END,
    look = CASE WHEN ?1 = 'running' THEN coalesce(look, ?13) WHEN ?1 = 'submitted' THEN look ELSE NULL END,
    kill_due = CASE WHEN ?1 IN ('finished', 'failed', 'cancelled', 'missed') THEN NULL ELSE kill_due END
WHERE worker_id = ?15 AND state = ?16;

-- name: look_again
-- Nothing new: look again later.
UPDATE worker SET due = ? WHERE worker_id IN (SELECT value FROM json_each(?)) AND state IN ('submitted', 'running');

-- name: gone
-- The batch system does not know it: since when.
UPDATE worker SET gone = coalesce(gone, ?), why = ?, due = ? WHERE worker_id = ? AND state IN ('submitted', 'running');

-- name: due
-- Workers of one state that want looking at, the most urgent first.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE state = ? AND due <= ? ORDER BY due LIMIT ?;

-- name: next_due
-- When the next worker of one state wants looking at.
SELECT min(due) FROM worker WHERE state = ? AND due IS NOT NULL;

-- name: by_ids
-- Workers by their numbers.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE worker_id IN (SELECT value FROM json_each(?));

-- name: to_kill
-- Workers that the sweeper is to end.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE kill_due <= ? ORDER BY kill_due LIMIT ?;

-- name: to_look
-- Workers whose letters are read by the clock.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE look <= ? ORDER BY look LIMIT ?;

-- name: to_tell
-- Workers of which the workload management system is to be told.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE tell <= ? ORDER BY tell LIMIT ?;

-- name: next_kill
SELECT min(kill_due) FROM worker WHERE kill_due IS NOT NULL;

-- name: next_look
SELECT min(look) FROM worker WHERE look IS NOT NULL;

-- name: next_tell
SELECT min(tell) FROM worker WHERE tell IS NOT NULL;

-- name: kill
-- Mark a worker for the sweeper; the first reason stays.
UPDATE worker SET kill = CASE WHEN kill = '' THEN ? ELSE kill END, kill_due = ?
WHERE worker_id = ? AND state IN ('planned', 'submitted', 'running');

-- name: kill_again
-- The batch system was asked (or did not answer): ask again later unless the worker has ended by then.
UPDATE worker SET kill_due = ?, why = CASE WHEN ?2 = '' THEN why ELSE ?2 END WHERE worker_id = ? AND kill_due IS NOT NULL;

-- name: looked
-- The letters were read: when next, and when the worker last gave a sign of life.
UPDATE worker SET look = CASE WHEN state = 'running' THEN ?1 ELSE NULL END, heartbeat = coalesce(?2, heartbeat) WHERE worker_id = ?3;

-- name: hurry
-- The doorbell rang: look at once.
UPDATE worker SET due = ? WHERE worker_id IN (SELECT value FROM json_each(?)) AND state IN ('submitted', 'running') AND due > ?1;

-- name: told
-- The workload management system was told: when again (NULL: never).
UPDATE worker SET tell = ?1 WHERE worker_id = ?2 AND tell <= ?3;

-- name: counts
-- Workers by queue and state.
SELECT queue, state, count(*) FROM worker GROUP BY queue, state;

-- name: kind_counts
-- Workers that go on, by queue, type of job, type of resources and state.
SELECT queue, job_type, resource_type, state, count(*) FROM worker
WHERE state IN ('planned', 'submitted', 'running') GROUP BY queue, job_type, resource_type, state;

-- name: queue_counts
-- Workers of one queue that go on, by state; those of the last days, a hundred times as many, are not counted.
SELECT state, count(*) FROM worker WHERE queue = ? AND state IN ('planned', 'submitted', 'running') GROUP BY state;

-- name: queue_amounts
-- Workers of one queue that go on, by state and kind: how many, their cores, their megabytes, and the nodes without a word on memory.
SELECT state, job_type, resource_type, count(*), coalesce(sum(cores), 0), coalesce(sum(nodes * ram_mb), 0),
       coalesce(sum(CASE WHEN ram_mb = 0 THEN nodes ELSE 0 END), 0)
FROM worker WHERE queue = ? AND state IN ('planned', 'submitted', 'running') GROUP BY state, job_type, resource_type;

-- name: batch_queue_counts
-- Workers of all queues that go on, by batch queue and state.
SELECT batch_queue, state, count(*) FROM worker WHERE state IN ('planned', 'submitted', 'running') GROUP BY batch_queue, state;

-- name: is_active
-- Whether a queue has workers in the batch system.
SELECT EXISTS (SELECT 1 FROM worker WHERE queue = ? AND state IN ('submitted', 'running'));

-- name: untold_jobs
-- Whether a worker has jobs that are not through yet.
SELECT count(*) FROM bond JOIN job ON job.job_id = bond.job_id
WHERE bond.worker_id = ? AND NOT (job.state IN ('finished', 'failed', 'cancelled') AND job.due IS NOT NULL);

-- name: retire
-- Its access point is gone: nothing is left to do.
UPDATE worker SET due = ?, why = CASE WHEN ?2 = '' THEN why ELSE ?2 END WHERE worker_id = ?;

-- name: forget
-- Retired workers without jobs.
DELETE FROM worker WHERE worker_id IN (
    SELECT worker.worker_id FROM worker WHERE worker.state = ? AND worker.due IS NULL AND worker.tell IS NULL AND worker.changed <= ?
        AND NOT EXISTS (SELECT 1 FROM bond WHERE bond.worker_id = worker.worker_id) LIMIT ?);

-- name: by_job
-- Workers of one job, the newest last.
SELECT worker_id FROM bond WHERE job_id = ? ORDER BY worker_id;

-- name: jobs_of
-- Jobs of some workers.
SELECT bond.worker_id, bond.job_id FROM json_each(?) AS wanted JOIN bond ON bond.worker_id = wanted.value;

-- name: alive_of_job
-- Workers of one job that have not ended.
SELECT worker.worker_id FROM bond JOIN worker ON worker.worker_id = bond.worker_id
WHERE bond.job_id = ? AND worker.state IN ('planned', 'submitted', 'running');

-- name: states_of_jobs
-- The states of all workers that some jobs ever had.
SELECT bond.job_id, worker.state FROM json_each(?) AS wanted
JOIN bond ON bond.job_id = wanted.value JOIN worker ON worker.worker_id = bond.worker_id ORDER BY worker.worker_id;

-- name: latest_of_jobs
-- The newest worker of each of some jobs, with its number in the batch system and its state.
SELECT bond.job_id, worker.worker_id, worker.batch_id, worker.state FROM json_each(?) AS wanted
JOIN bond ON bond.job_id = wanted.value JOIN worker ON worker.worker_id = bond.worker_id ORDER BY worker.worker_id;

-- name: of_queue
-- Workers of one queue in one state.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE queue = ? AND state = ?;
