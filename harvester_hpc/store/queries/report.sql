-- name: put
-- Tell of a job's new state; an untold older word is replaced.
INSERT INTO report (job_id, seq, state, told, tries, due) VALUES (?1, 1, ?2, 0, 0, ?3)
ON CONFLICT (job_id) DO UPDATE SET seq = seq + 1, state = excluded.state, told = 0, tries = 0, due = excluded.due;

-- name: due
-- Reports and heartbeats that are to be sent, the oldest first.
SELECT job_id, seq, state, told, tries FROM report WHERE due <= ? ORDER BY due LIMIT ?;

-- name: next_due
SELECT min(due) FROM report;

-- name: taken
-- Taken, and not the last word: the next heartbeat.
UPDATE report SET told = 1, tries = 0, due = ? WHERE job_id = ? AND seq = ?;

-- name: delete
-- The last word was taken.
DELETE FROM report WHERE job_id = ? AND seq = ?;

-- name: again
-- Not taken: try again later.
UPDATE report SET tries = tries + 1, due = ? WHERE job_id = ? AND seq = ?;

-- name: untold
-- How many reports wait, and since when the oldest of them.
SELECT count(*), min(due) FROM report WHERE told = 0;
