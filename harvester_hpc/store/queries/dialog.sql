-- name: count
-- The same cause again: it is only counted; a message that was not told yet has the newest words.
UPDATE dialog SET number = number + 1, last = ?1, message = CASE WHEN due IS NULL THEN message ELSE ?2 END
WHERE module = ?3 AND identifier = ?4 AND since > ?5;

-- name: insert
-- A new cause, or an old one on another day; due NULL: there are enough for today.
INSERT INTO dialog (module, identifier, level, message, since, last, due) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6);

-- name: sent_since
-- How many new causes there were.
SELECT count(*) FROM dialog WHERE since > ? AND (due IS NOT NULL OR told IS NOT NULL);

-- name: over
-- A cause that is no more before anybody was told: nobody needs to know.
DELETE FROM dialog WHERE module = ? AND identifier = ? AND told IS NULL;

-- name: due
-- Messages that are to be sent, the oldest first.
SELECT dialog_id, module, identifier, level, message, number, since, last, told FROM dialog WHERE due <= ? ORDER BY due LIMIT ?;

-- name: next_due
SELECT min(due) FROM dialog WHERE due IS NOT NULL;

-- name: told
-- Sent.
UPDATE dialog SET told = ?, due = NULL WHERE dialog_id = ?;

-- name: forget
-- Old ones, told or not: nobody far away can do anything about them.
DELETE FROM dialog WHERE since < ?;

-- name: newest
-- For people: the newest first.
SELECT dialog_id, module, identifier, level, message, number, since, last, told FROM dialog ORDER BY since DESC LIMIT ?;
