-- name: put
-- A pull worker has fetched a job.
INSERT INTO pulled_job (worker_id, job_id) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: tell
-- The workload management system is told of a worker at once.
UPDATE worker SET tell = ? WHERE worker_id = ?;

-- name: of_workers
-- What some pull workers have fetched.
SELECT pulled_job.worker_id, pulled_job.job_id FROM json_each(?) AS wanted JOIN pulled_job ON pulled_job.worker_id = wanted.value
ORDER BY pulled_job.worker_id, pulled_job.job_id;
