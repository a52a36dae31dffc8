-- name: make_life
CREATE TABLE IF NOT EXISTS life (name TEXT NOT NULL);

-- name: make_entry
-- held_until: seconds since 1970; NULL: it is free.
CREATE TABLE IF NOT EXISTS entry (
    entry_id INTEGER PRIMARY KEY AUTOINCREMENT,
    score REAL NOT NULL,
    item TEXT NOT NULL,
    held_until REAL
);

-- name: make_order
CREATE INDEX IF NOT EXISTS entry_order ON entry (score, entry_id) WHERE held_until IS NULL;

-- name: make_held
CREATE INDEX IF NOT EXISTS entry_held ON entry (held_until) WHERE held_until IS NOT NULL;

-- name: begin_life
INSERT INTO life (name) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM life);

-- name: next_life
UPDATE life SET name = ?;

-- name: life
SELECT name FROM life;

-- name: put
INSERT INTO entry (score, item) VALUES (?, ?);

-- name: first
-- Free entries, the first ones first.
SELECT entry_id, score, item FROM entry WHERE held_until IS NULL AND score <= ? ORDER BY score, entry_id LIMIT ? OFFSET ?;

-- name: back
-- free again, what was held too long
UPDATE entry SET held_until = NULL WHERE held_until <= ?;

-- name: hold
UPDATE entry SET held_until = ? WHERE entry_id = ?;

-- name: release
UPDATE entry SET held_until = NULL WHERE entry_id = ? AND held_until IS NOT NULL;

-- name: delete
DELETE FROM entry WHERE entry_id = ?;

-- name: size
SELECT count(*) FROM entry;

-- name: held
SELECT count(*) FROM entry WHERE held_until > ?;

-- name: clear
DELETE FROM entry;
