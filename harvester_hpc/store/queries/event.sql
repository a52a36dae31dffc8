-- name: open_job
-- A job that works on event ranges.
INSERT INTO event_job (job_id) VALUES (?) ON CONFLICT (job_id) DO NOTHING;

-- name: jobs
-- Which of some jobs work on event ranges, and whether the system has no more for them.
SELECT job_id, dry FROM event_job WHERE job_id IN (SELECT value FROM json_each(?));

-- name: set_dry
-- The system had fewer ranges than were asked for (or, 0, may have more again).
UPDATE event_job SET dry = ? WHERE job_id = ?;

-- name: hurry_tell
-- There is something to tell: the propagator looks at once.
UPDATE event_job SET tell = min(coalesce(tell, ?1), ?1) WHERE job_id = ?2;

-- name: hurry_pack
-- There are outputs: the stager looks.
UPDATE event_job SET pack = min(coalesce(pack, ?1), ?1) WHERE job_id = ?2;

-- name: tell_again
-- When the propagator looks next; NULL: when it is called.
UPDATE event_job SET tell = ? WHERE job_id = ?;

-- name: pack_again
-- When the stager looks next; NULL: when it is called.
UPDATE event_job SET pack = ? WHERE job_id = ?;

-- name: to_tell
-- Jobs with something to tell.
SELECT job_id FROM event_job WHERE tell <= ? ORDER BY tell LIMIT ?;

-- name: next_tell
SELECT min(tell) FROM event_job WHERE tell IS NOT NULL;

-- name: to_pack
-- Jobs with outputs to look at.
SELECT job_id FROM event_job WHERE pack <= ? ORDER BY pack LIMIT ?;

-- name: next_pack
SELECT min(pack) FROM event_job WHERE pack IS NOT NULL;

-- name: add_origin
-- What ranges share.
INSERT INTO event_origin (job_id, origin) VALUES (?, ?) ON CONFLICT (job_id, origin) DO NOTHING;

-- name: origin
SELECT origin_id FROM event_origin WHERE job_id = ? AND origin = ?;

-- name: lease
-- A leased range; one that is known stays what it is.
INSERT INTO event (job_id, range_id, state, origin_id, first, last) VALUES (?, ?, 'leased', ?, ?, ?)
ON CONFLICT (job_id, range_id) DO NOTHING;

-- name: lease_lost
-- A range that the system has leased to us, and of which we know nothing but the name: it is given back as failed.
INSERT INTO event (job_id, range_id, state, origin_id) VALUES (?, ?, 'failed', 0) ON CONFLICT (job_id, range_id) DO NOTHING;

-- name: leased
-- Ranges that no worker has, those first that were leased first.
SELECT event.event_id, event.range_id, event.first, event.last, event_origin.origin
FROM event CROSS JOIN event_origin ON event_origin.origin_id = event.origin_id
WHERE event.job_id = ? AND event.state = 'leased' ORDER BY event.event_id LIMIT ?;

-- name: by_ids
-- Ranges by their rows.
SELECT event.event_id, event.range_id, event.first, event.last, event_origin.origin, event.job_id
FROM event CROSS JOIN event_origin ON event_origin.origin_id = event.origin_id
WHERE event.event_id IN (SELECT value FROM json_each(?)) ORDER BY event.event_id;

-- name: number_in
-- How many ranges of a job are in one state.
SELECT count(*) FROM event WHERE job_id = ? AND state = ?;

-- name: tally
-- Ranges of one job by state.
SELECT state, count(*) FROM event WHERE job_id = ? GROUP BY state;

-- name: done_by_worker
-- Ranges of one job that are done, by the worker that did them.
SELECT worker_id, count(*) FROM event WHERE job_id = ? AND state = 'done' GROUP BY worker_id;

-- name: any_in
-- Whether a job has ranges in one of some states.
SELECT EXISTS (SELECT 1 FROM event WHERE job_id = ? AND state IN (SELECT value FROM json_each(?)));

-- name: known
-- Which of some names a job has.
SELECT range_id FROM event WHERE job_id = ? AND range_id IN (SELECT value FROM json_each(?));

-- name: feed
-- From leased to fed.
UPDATE event SET state = 'fed', worker_id = ?, feeds = feeds + 1 WHERE event_id = ? AND state = 'leased';

-- name: held
-- A range that the worker has, or had last.
SELECT event_id FROM event WHERE job_id = ? AND range_id = ? AND worker_id = ? AND state IN ('fed', 'leased');

-- name: word
-- From fed (or, a late word, leased) to what the worker says.
UPDATE event SET state = ?1, file_id = coalesce(?2, file_id), cores = ?3, cpu_s = ?4 WHERE event_id = ?5 AND state IN ('fed', 'leased');

-- name: word_back
-- The worker gives it back untried.
UPDATE event SET state = 'leased', feeds = feeds - 1 WHERE job_id = ? AND range_id = ? AND worker_id = ? AND state = 'fed';

-- name: own
-- A range that the worker has or had last, whatever became of it.
SELECT event_id FROM event WHERE job_id = ? AND range_id = ? AND worker_id = ?;

-- name: number_of
-- The row of a range.
SELECT event_id FROM event WHERE job_id = ? AND range_id = ?;

-- name: add_output
INSERT INTO event_output (event_id, path, size) VALUES (?, ?, ?) ON CONFLICT (event_id) DO NOTHING;

-- name: add_trouble
INSERT INTO event_trouble (event_id, why) VALUES (?, ?) ON CONFLICT (event_id) DO UPDATE SET why = excluded.why;

-- name: give_up_held
-- From fed to failed: ranges that were held by too many workers that died.
UPDATE event SET state = 'failed' WHERE job_id = ? AND state = 'fed' AND worker_id = ? AND feeds >= ?;

-- name: give_back
-- From fed to leased: their worker has ended without a word on them.
UPDATE event SET state = 'leased' WHERE job_id = ? AND state = 'fed' AND worker_id = ?;

-- name: end_tried
-- The job ends: from leased or fed to failed, if a worker had them.
UPDATE event SET state = 'failed' WHERE job_id = ? AND state = ? AND feeds > 0;

-- name: end_untried
-- The job ends: from leased to returned.
UPDATE event SET state = 'returned' WHERE job_id = ? AND state = ?;

-- name: waiting_outputs
-- Done ranges whose output is in no zip yet.
SELECT event.event_id, coalesce(event_output.size, 0) FROM event CROSS JOIN event_output ON event_output.event_id = event.event_id
WHERE event.job_id = ? AND event.state = 'finished' AND event.file_id IS NULL ORDER BY event.event_id LIMIT ?;

-- name: put_into
-- They are to be in this zip.
UPDATE event SET file_id = ? WHERE event_id = ? AND state = 'finished' AND file_id IS NULL;

-- name: members
-- What is to be in a zip.
SELECT event.event_id, event.range_id, event_output.path FROM event CROSS JOIN event_output ON event_output.event_id = event.event_id
WHERE event.file_id = ? AND +event.state = 'finished' ORDER BY event.event_id;

-- name: zipped
-- From finished to zipped.
UPDATE event SET state = 'zipped' WHERE file_id = ? AND +state = 'finished';

-- name: output_lost
-- From finished to failed: its output cannot be read.
UPDATE event SET state = 'failed' WHERE event_id = ? AND state = 'finished';

-- name: drop_output
DELETE FROM event_output WHERE event_id = ?;

-- name: staged
-- From zipped to staged: the zip is at its destination.
UPDATE event SET state = 'staged' WHERE file_id = ? AND +state = 'zipped';

-- name: zip_lost
-- From zipped to failed: the zip could not be brought away.
UPDATE event SET state = 'failed' WHERE file_id = ? AND +state = 'zipped';

-- name: untold
-- Ranges of one job and state that are to be told, after a given row.
SELECT event_id, range_id, state, file_id, cores, cpu_s FROM event WHERE job_id = ? AND state = ? AND event_id > ? ORDER BY event_id LIMIT ?;

-- name: in_zip
-- Ranges in a zip that is on its way.
SELECT event_id FROM event WHERE file_id = ? AND +state = 'zipped';

-- name: troubles
SELECT event_id, why FROM event_trouble WHERE event_id IN (SELECT value FROM json_each(?));

-- name: told
-- It was told: the last state.
UPDATE event SET state = ? WHERE event_id = ? AND state = ?;

-- name: drop_trouble
DELETE FROM event_trouble WHERE event_id = ?;

-- name: want
-- A worker wants ranges; a request that is being answered stays.
INSERT INTO event_request (worker_id, wanted, due) SELECT worker_id, ?2, ?3 FROM worker WHERE worker_id = ?1
ON CONFLICT (worker_id) DO UPDATE SET due = min(due, excluded.due);

-- name: requests
-- Requests that are to be answered now.
SELECT worker_id, wanted, pending FROM event_request WHERE due <= ? ORDER BY due LIMIT ?;

-- name: next_request
SELECT min(due) FROM event_request;

-- name: put_pending
-- These rows are in the store as fed, and perhaps not in the letter.
UPDATE event_request SET pending = ? WHERE worker_id = ?;

-- name: answered
-- The request is answered.
DELETE FROM event_request WHERE worker_id = ?;

-- name: ask_later
-- Nothing could be done about it now.
UPDATE event_request SET due = ? WHERE worker_id = ?;

-- name: begin_call
-- A call to the system begins.
INSERT INTO event_call (job_id, what) VALUES (?, ?) ON CONFLICT (job_id, what) DO NOTHING;

-- name: end_call
-- Its answer is stored.
DELETE FROM event_call WHERE job_id = ? AND what = ?;

-- name: calls
-- Calls that were begun and whose answer is not known.
SELECT job_id FROM event_call WHERE job_id IN (SELECT value FROM json_each(?)) AND what = ?;

-- name: reserve_zip
-- A number for a zip; it never comes twice.
INSERT INTO counter (name, value) VALUES ('event_zip', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1;

-- name: reserved_zip
SELECT value FROM counter WHERE name = 'event_zip';

-- name: add_zip_file
INSERT INTO file (job_id, kind, lfn, state, size, checksum, path) VALUES (?, 'event_zip', ?, ?, ?, ?, ?)
ON CONFLICT (job_id, kind, lfn) DO NOTHING;

-- name: zip_file
-- A zip by its name.
SELECT file_id, state, path FROM file WHERE job_id = ? AND kind = 'event_zip' AND lfn = ?;

-- name: add_zip
INSERT INTO event_zip (file_id, job_id, packed, due) VALUES (?, ?, ?, ?) ON CONFLICT (file_id) DO NOTHING;

-- name: zips
-- Zips that want looking at.
SELECT file_id, job_id, packed, tries FROM event_zip WHERE due <= ? ORDER BY due LIMIT ?;

-- name: next_zip
SELECT min(due) FROM event_zip;

-- name: packed
-- The zip lies there whole.
UPDATE event_zip SET packed = 1, tries = 0, due = ? WHERE file_id = ?;

-- name: packed_file
-- From expected to defined.
UPDATE file SET state = 'defined', size = ? WHERE file_id = ? AND state = 'expected';

-- name: zip_again
UPDATE event_zip SET due = ?, tries = ? WHERE file_id = ?;

-- name: zip_over
-- It is at its destination, or given up.
DELETE FROM event_zip WHERE file_id = ?;

-- name: files
-- Zips by their rows.
SELECT file_id, job_id, kind, lfn, state, scope, dataset, endpoint, guid, size, checksum, path, url, tries, why
FROM file WHERE file_id IN (SELECT value FROM json_each(?));

-- name: give_up_zips
-- The job was cancelled: its zips are not brought away any more.
DELETE FROM event_zip WHERE file_id IN (SELECT file_id FROM file WHERE job_id = ? AND kind = 'event_zip');

-- name: some_of_job
-- Rows of a job, to be forgotten.
SELECT event_id FROM event WHERE job_id = ? LIMIT ?;

-- name: forget
DELETE FROM event WHERE event_id = ?;
