-- name: insert
-- A command, stored before anything is done; a known one is left alone.
INSERT INTO command (command_id, kind, ids, constraints, why, origin, ack, created, name, params) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (command_id) DO NOTHING;

-- name: open
-- Commands that are not carried out yet, in the order in which they came.
SELECT command_id, kind, ids, constraints, why, origin, ack, name, params FROM command WHERE done = 0 ORDER BY created, rowid LIMIT ?;

-- name: drop_stops
-- Who was to stop has ended: it does not concern the next instance.
UPDATE command SET done = 1, result = 'too late: that instance has ended' WHERE done = 0 AND kind = 'stop';

-- name: done
-- Carried out.
UPDATE command SET done = 1, result = ? WHERE command_id = ?;

-- name: to_acknowledge
-- Carried out, and the workload management system wants to hear of it.
SELECT command_id FROM command WHERE done = 1 AND ack = 1 LIMIT ?;

-- name: acknowledged
-- It has heard.
UPDATE command SET ack = 0 WHERE command_id = ?;

-- name: forget
-- Old commands.
DELETE FROM command WHERE done = 1 AND ack = 0 AND created < ?;

-- name: newest
-- For people: the newest first.
SELECT command_id, kind, ids, constraints, why, origin, ack, name, params, done, result, created FROM command
ORDER BY created DESC, rowid DESC LIMIT ?;
