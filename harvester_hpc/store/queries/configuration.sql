-- name: add_version
-- A queue's configuration that is not there yet.
INSERT OR IGNORE INTO queue_version (queue, content, made) VALUES (?, ?, ?);

-- name: make_current
-- New jobs and workers of the queue are made with this content, and with no other.
UPDATE queue_version SET current = content = ?2 WHERE queue = ?1;

-- name: current
-- The number of a queue's configuration.
SELECT number FROM queue_version WHERE queue = ? AND current = 1;

-- name: under_way
-- Configurations with which jobs and workers were made that somebody still looks after.
SELECT number, queue, content FROM queue_version WHERE number IN (
    SELECT version FROM worker WHERE due IS NOT NULL OR state IN ('planned', 'submitted', 'running')
    UNION SELECT version FROM job WHERE state NOT IN ('finished', 'failed', 'cancelled')) ORDER BY number;

-- name: unused
-- Configurations that no worker and no job was made with, and that are not in use.
DELETE FROM queue_version WHERE current = 0 AND number NOT IN (SELECT version FROM worker) AND number NOT IN (SELECT version FROM job);

-- name: of_worker
-- With which configuration a worker was made.
SELECT version FROM worker WHERE worker_id = ?;

-- name: of_job
-- With which configuration a job was fetched.
SELECT version FROM job WHERE job_id = ?;

-- name: of_worker_of_job
-- With which configuration the newest worker of a job was made.
SELECT worker.version FROM bond JOIN worker ON worker.worker_id = bond.worker_id WHERE bond.job_id = ? ORDER BY worker.worker_id DESC LIMIT 1;

-- name: add
-- The configuration with which the instance works from now on.
INSERT INTO configuration (made, how, content) VALUES (?, ?, ?);

-- name: last
-- The configuration with which the instance works, or has worked last.
SELECT number, made, how, content FROM configuration ORDER BY number DESC LIMIT 1;

-- name: trim
-- Only the last ones are kept.
DELETE FROM configuration WHERE number <= (SELECT max(number) FROM configuration) - ?;
