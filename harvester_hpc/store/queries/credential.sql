-- name: all
-- How all stand.
SELECT name, state, since, mark, changed, begins, until, source_until, source_mark, about, why, remedy, refused, refused_why, made,
    renewed, tries, due, final, warned, warned_of, failed
FROM credential ORDER BY name;

-- name: mark
-- Which content was seen last.
SELECT mark FROM credential WHERE name = ?;

-- name: keep
-- What was seen, and what became of renewals. Which content was refused is not ours to say: others may have written it meanwhile.
INSERT INTO credential (name, state, since, mark, changed, begins, until, source_until, source_mark, about, why, remedy, made,
    renewed, tries, due, final, warned, warned_of, failed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, since = excluded.since, mark = excluded.mark, changed = excluded.changed,
    begins = excluded.begins, until = excluded.until, source_until = excluded.source_until, source_mark = excluded.source_mark,
    about = excluded.about, why = excluded.why, remedy = excluded.remedy, made = excluded.made, renewed = excluded.renewed,
    tries = excluded.tries, due = excluded.due, final = excluded.final, warned = excluded.warned, warned_of = excluded.warned_of,
    failed = excluded.failed;

-- name: refused
-- Somebody outside does not take this content.
INSERT INTO credential (name, state, since, mark, changed, refused, refused_why) VALUES (?1, 'refused', ?2, ?3, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET refused = excluded.refused, refused_why = excluded.refused_why, mark = excluded.mark;

-- name: accepted
-- It is taken again, as it is.
UPDATE credential SET refused = '', refused_why = '' WHERE name = ? AND refused = ?;

-- name: only
-- Those that are not configured any more.
DELETE FROM credential WHERE name NOT IN (SELECT value FROM json_each(?));

-- name: standing
-- How all stand, for those who look.
SELECT name, state, since, until, source_until, why, remedy, failed FROM credential ORDER BY name;
