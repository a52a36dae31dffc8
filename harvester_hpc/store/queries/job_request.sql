-- name: note
-- A late worker asks for jobs; a request that is being answered stays.
INSERT INTO job_request (worker_id, since, due) SELECT worker_id, ?2, ?2 FROM worker
WHERE worker_id = ?1 AND late = 1 AND state IN ('submitted', 'running') AND kill = ''
ON CONFLICT (worker_id) DO NOTHING;

-- name: due
-- Requests that are to be looked at now, the longest waiting first.
SELECT worker_id, since, due, pending FROM job_request WHERE due <= ? ORDER BY due, since LIMIT ?;

-- name: next_due
SELECT min(due) FROM job_request;

-- name: wake
-- Jobs have become prepared: look at the requests that wait for some.
UPDATE job_request SET due = ? WHERE due >= 0;

-- name: may_bind
-- Whether a worker may get jobs: one that has ended, or is to end, gets none any more.
SELECT EXISTS (SELECT 1 FROM worker WHERE worker_id = ? AND late = 1 AND state IN ('submitted', 'running') AND kill = '');

-- name: put_pending
-- These jobs are bound in the store, and perhaps not in the worker's letters.
UPDATE job_request SET pending = ? WHERE worker_id = ?;

-- name: later
-- Look again later, unless jobs have become prepared since the last look.
UPDATE job_request SET due = ? WHERE worker_id = ? AND due = ?;

-- name: answered
-- The request is answered, or nobody waits for an answer any more.
DELETE FROM job_request WHERE worker_id = ?;

-- name: takers
-- Late workers of one queue that will take jobs: they wait in the batch queue, ask, have jobs, or have started a moment ago.
SELECT worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node, batch_id, batch_queue,
       native_status, node, exit_code, submissions, tries, why, kill, created, changed, submitted, started, ended, due, gone, heartbeat, late,
       cause, job_type, resource_type, sync
FROM worker WHERE queue = ?1 AND state IN ('planned', 'submitted', 'running') AND late = 1 AND kill = ''
    AND (state <> 'running' OR changed >= ?2 OR EXISTS (SELECT 1 FROM job_request WHERE job_request.worker_id = worker.worker_id)
         OR EXISTS (SELECT 1 FROM bond WHERE bond.worker_id = worker.worker_id))
LIMIT ?3;

-- name: ended_without_jobs
-- The newest workers of one queue that have run: their states, whether they have had a job, how long they ran (NULL: nobody knows).
-- Older ones do not matter.
SELECT worker_id, state, EXISTS (SELECT 1 FROM bond WHERE bond.worker_id = worker.worker_id), ended - started, why
FROM worker WHERE worker_id > (SELECT value FROM counter WHERE name = 'worker') - 200
    AND queue = ? AND state IN ('finished', 'failed', 'cancelled', 'running') ORDER BY worker_id DESC LIMIT ?;
