-- name: known
-- An input by what it is.
SELECT input_id, root, scope, lfn, checksum, size, origin, path, state, bytes, why, used FROM input
WHERE root = ? AND scope = ? AND lfn = ? AND checksum = ? AND size = ? AND origin = ?;

-- name: want
-- A job wants it: a new one is wanted, one that had failed is wanted again.
INSERT INTO input (root, scope, lfn, checksum, size, origin, path, state, bytes, used) VALUES (?, ?, ?, ?, ?, ?, ?, 'wanted', ?, ?)
ON CONFLICT (root, scope, lfn, checksum, size, origin) DO UPDATE
SET used = excluded.used, why = CASE WHEN state = 'failed' THEN '' ELSE why END, state = CASE WHEN state = 'failed' THEN 'wanted' ELSE state END;

-- name: use
-- A file of a job is this input.
INSERT INTO input_use (file_id, job_id, input_id) VALUES (?, ?, ?)
ON CONFLICT (file_id) DO UPDATE SET input_id = excluded.input_id;

-- name: uses
-- Inputs of some jobs.
SELECT input_use.job_id, input_use.file_id, input.input_id, input.root, input.scope, input.lfn, input.checksum, input.size, input.origin,
    input.path, input.state, input.bytes, input.why, input.used
FROM input_use CROSS JOIN input ON input.input_id = input_use.input_id
WHERE input_use.job_id IN (SELECT value FROM json_each(?)) ORDER BY input_use.file_id;

-- name: jobs_of
-- Jobs that wait for some inputs.
SELECT DISTINCT input_use.job_id FROM input_use CROSS JOIN job ON job.job_id = input_use.job_id
WHERE input_use.input_id IN (SELECT value FROM json_each(?)) AND job.state = 'preparing';

-- name: held
-- What a cache holds or is about to hold, files and bytes.
SELECT count(*), coalesce(sum(bytes), 0) FROM input WHERE root = ? AND state IN ('wanted', 'ready', 'leaving');

-- name: idle
-- What lies in a cache and no job wants, the longest unused first.
SELECT input_id, root, scope, lfn, checksum, size, origin, path, state, bytes, why, used FROM input
WHERE root = ? AND state = 'ready' AND NOT EXISTS (
    SELECT 1 FROM input_use CROSS JOIN job ON job.job_id = input_use.job_id
    WHERE input_use.input_id = input.input_id AND job.state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running')
) AND input_id NOT IN (SELECT value FROM json_each(?)) ORDER BY used LIMIT ?;

-- name: idle_amount
-- How much that is, files and bytes.
SELECT count(*), coalesce(sum(bytes), 0) FROM input
WHERE root = ? AND state = 'ready' AND NOT EXISTS (
    SELECT 1 FROM input_use CROSS JOIN job ON job.job_id = input_use.job_id
    WHERE input_use.input_id = input.input_id AND job.state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running')
) AND input_id NOT IN (SELECT value FROM json_each(?));

-- name: leave
-- From ready to leaving: its file is about to be removed.
UPDATE input SET state = 'leaving' WHERE input_id = ? AND state = 'ready';

-- name: leaving
-- Inputs whose files are to be removed.
SELECT input_id, root, scope, lfn, checksum, size, origin, path, state, bytes, why, used FROM input
WHERE root = ? AND state = 'leaving' LIMIT ?;

-- name: detach
-- Jobs that are over do not hold the row of an input.
DELETE FROM input_use WHERE input_id = ?;

-- name: gone
-- Its file is removed.
DELETE FROM input WHERE input_id = ? AND state = 'leaving';

-- name: lost
-- From ready to wanted: its file is not there, or not the one that it was.
UPDATE input SET state = 'wanted' WHERE input_id = ? AND state = 'ready';

-- name: arrived
-- From wanted to ready.
UPDATE input SET state = 'ready', bytes = coalesce(?1, bytes) WHERE input_id = ?2 AND state = 'wanted';

-- name: failed
-- From wanted to failed.
UPDATE input SET state = 'failed', why = ? WHERE input_id = ? AND state = 'wanted';

-- name: over
-- From failed or wanted to leaving: what no job names, and nobody moves; a part of it may lie there.
UPDATE input SET state = 'leaving' WHERE root = ? AND state IN ('failed', 'wanted')
AND NOT EXISTS (SELECT 1 FROM input_use WHERE input_use.input_id = input.input_id)
AND NOT EXISTS (SELECT 1 FROM parcel WHERE parcel.input_id = input.input_id AND parcel.state IN ('waiting', 'moving'));

-- name: stranded
-- Inputs for which some jobs wait and which nobody moves, or a queue that there is no more.
SELECT DISTINCT input.input_id, input.root, input.scope, input.lfn, input.checksum, input.size, input.origin, input.path, input.state,
    input.bytes, input.why, input.used, input_use.job_id, job.queue
FROM input_use CROSS JOIN job ON job.job_id = input_use.job_id CROSS JOIN input ON input.input_id = input_use.input_id
LEFT JOIN parcel ON parcel.input_id = input.input_id
WHERE input_use.job_id IN (SELECT value FROM json_each(?1)) AND job.state = 'preparing' AND input.state = 'wanted' AND (
    parcel.parcel_id IS NULL OR parcel.state NOT IN ('waiting', 'moving') OR parcel.queue NOT IN (SELECT value FROM json_each(?2))
);

-- name: let_go
-- Whoever was to move it will not.
UPDATE parcel SET state = 'dropped' WHERE input_id = ? AND state IN ('waiting', 'moving');

-- name: paths
-- All that lies, or will lie, in a cache.
SELECT path FROM input WHERE root = ?;
