-- name: clear
-- A newer command replaces all that an older one has wished of a queue.
DELETE FROM wish WHERE queue = ?;

-- name: put
-- So many more workers of a kind.
INSERT INTO wish (queue, job_type, resource_type, number, command_id, since) VALUES (?, ?, ?, ?, ?, ?);

-- name: of_queue
-- What is still wished of a queue.
SELECT job_type, resource_type, number FROM wish WHERE queue = ? AND number > 0 AND since > ? ORDER BY job_type, resource_type;

-- name: use_up
-- A worker is made.
UPDATE wish SET number = number - 1 WHERE queue = ? AND job_type = ? AND resource_type = ? AND number > 0;

-- name: all
-- For statistics and people.
SELECT queue, job_type, resource_type, number FROM wish WHERE number > 0 AND since > ? ORDER BY queue, job_type, resource_type;
