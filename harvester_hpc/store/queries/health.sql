-- name: trouble
-- Something does not work since, and is tried again at.
INSERT INTO trouble (agent, queue, since, until, count, why, credential) VALUES (?, ?, ?, ?, 1, ?, ?)
ON CONFLICT (agent, queue) DO UPDATE SET until = excluded.until, count = count + 1, why = excluded.why, credential = excluded.credential;

-- name: no_trouble
-- It works again.
DELETE FROM trouble WHERE agent = ? AND queue = ?;

-- name: credential_changed
-- Whoever waits for a credential may go on: there is another content.
DELETE FROM trouble WHERE credential = ?;

-- name: no_trouble_at_all
-- A new life begins.
DELETE FROM trouble;

-- name: troubles
-- All that does not work now.
SELECT agent, queue, since, until, count, why, credential FROM trouble ORDER BY since;

-- name: beat
-- An agent's last round.
INSERT INTO agent (name, round, rounds, changes) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET round = excluded.round, rounds = excluded.rounds, changes = excluded.changes;

-- name: beats
-- Every agent's last round.
SELECT name, round, rounds, changes FROM agent ORDER BY name;
