-- name: job_ids
-- Jobs that a person asks for, those that changed last first.
SELECT job_id FROM job
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since
ORDER BY changed DESC, job_id DESC LIMIT :limit;

-- name: job_number
-- How many jobs that are.
SELECT count(*) FROM job
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since;

-- name: worker_ids
-- Workers that a person asks for, those that changed last first.
SELECT worker_id FROM worker
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since
ORDER BY changed DESC, worker_id DESC LIMIT :limit;

-- name: worker_number
-- How many workers that are.
SELECT count(*) FROM worker
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since;

-- name: command_result
-- What came of a command.
SELECT result FROM command WHERE command_id = ? AND done = 1;

-- name: transfer_ids
-- Batches of files that a person asks for, those that changed last first.
SELECT transfer_id FROM transfer
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since
ORDER BY changed DESC, transfer_id DESC LIMIT :limit;

-- name: transfer_number
-- How many batches that are.
SELECT count(*) FROM transfer
WHERE state IN (SELECT value FROM json_each(:states)) AND (:queue IS NULL OR queue = :queue) AND changed >= :since;
