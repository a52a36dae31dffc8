-- name: hold
-- A limit of the site keeps a queue's workers back; the time of its beginning stays.
INSERT INTO holdback (queue, since, why) VALUES (?, ?, ?)
ON CONFLICT (queue) DO UPDATE SET why = excluded.why;

-- name: release
-- It keeps them back no longer.
DELETE FROM holdback WHERE queue = ?;

-- name: release_all
-- A new life begins.
DELETE FROM holdback;

-- name: all
-- All queues that are held back now.
SELECT queue, since, why FROM holdback ORDER BY queue;
