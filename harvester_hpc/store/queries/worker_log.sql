-- name: want
-- The intent, if the worker's logs are to be shown at all: of a worker that begins, or has ended.
INSERT INTO worker_log (worker_id, queue, state, since, due) SELECT worker_id, queue, ?2, ?3, ?4 FROM worker WHERE worker_id = ?1 AND logs = 1
ON CONFLICT (worker_id) DO UPDATE SET state = excluded.state, since = excluded.since, due = excluded.due, tries = 0, why = '';

-- name: due
-- Logs that want looking at, the most urgent first.
SELECT worker_id, queue, state, since, tries, why FROM worker_log WHERE due <= ? ORDER BY due LIMIT ?;

-- name: by_ids
-- Logs of some workers.
SELECT worker_id, queue, state, since, tries, why FROM worker_log WHERE worker_id IN (SELECT value FROM json_each(?));

-- name: next_due
-- When the next log wants looking at.
SELECT min(due) FROM worker_log WHERE due IS NOT NULL;

-- name: copies
-- What is shown of some workers.
SELECT worker_id, kind, name, url, size, stamp FROM log_copy WHERE worker_id IN (SELECT value FROM json_each(?));

-- name: wanted
-- Which of some workers have logs that are still to be shown, and when those are looked at.
SELECT worker_id, due FROM worker_log WHERE worker_id IN (SELECT value FROM json_each(?)) AND state = 'wanted';

-- name: keep
-- Where one log is shown.
INSERT INTO log_copy (worker_id, kind, name, url, size, stamp) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (worker_id, kind) DO UPDATE SET name = excluded.name, url = excluded.url, size = excluded.size, stamp = excluded.stamp;

-- name: drop_copy
-- A log that is not shown any more.
DELETE FROM log_copy WHERE worker_id = ? AND kind = ?;

-- name: step
-- On its way, unless the worker has ended since.
UPDATE worker_log SET state = ?1, due = ?2, tries = ?3, why = ?4 WHERE worker_id = ?5 AND state = ?6;

-- name: forget
-- Nothing is shown any more.
DELETE FROM worker_log WHERE worker_id = ? AND state = ?;

-- name: tell
-- The workload management system is told where the logs are, also of a worker that it knows to have ended.
UPDATE worker SET tell = ? WHERE worker_id = ? AND state <> 'planned';
