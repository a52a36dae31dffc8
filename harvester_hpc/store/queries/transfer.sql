-- name: send
-- An output that wants to move; a second word about it, or one that comes when it has its end, changes nothing.
INSERT INTO parcel (queue, direction, state, file_id, job_id, at_path, size, checksum, since, due)
SELECT ?1, 'out', 'waiting', ?2, ?3, ?4, ?5, ?6, ?7, ?7
WHERE EXISTS (SELECT 1 FROM file WHERE file.file_id = ?2 AND file.state NOT IN ('finished', 'failed'))
ON CONFLICT (file_id) DO UPDATE SET queue = excluded.queue, state = 'waiting', hop = 0, at_name = '', at_path = excluded.at_path, routed = 0,
    transfer_id = NULL, tries = 0, why = '', since = excluded.since, due = excluded.due
WHERE parcel.state IN ('moved', 'failed', 'dropped');

-- name: bring
-- An input that wants to move; one that has been here before starts anew.
INSERT INTO parcel (queue, direction, state, input_id, job_id, at_path, size, checksum, since, due) VALUES (?1, 'in', 'waiting', ?2, ?3, ?4, ?5, ?6, ?7, ?7)
ON CONFLICT (input_id) DO UPDATE SET queue = excluded.queue, state = 'waiting', hop = 0, job_id = excluded.job_id, at_name = '',
    at_path = excluded.at_path, routed = 0, transfer_id = NULL, tries = 0, why = '', since = excluded.since, due = excluded.due
WHERE parcel.state IN ('moved', 'failed', 'dropped');

-- name: unrouted
-- Files that want to move and of which nobody has asked the way.
SELECT parcel.parcel_id, parcel.direction, parcel.job_id, job.task_id, coalesce(file.lfn, input.lfn), coalesce(file.scope, input.scope),
    coalesce(file.dataset, used.dataset, ''), coalesce(file.endpoint, used.endpoint, ''), coalesce(file.guid, used.guid, ''), parcel.size,
    parcel.checksum, parcel.hop, parcel.at_name, parcel.at_path, coalesce(input.path, ''), parcel.since
FROM parcel LEFT JOIN job ON job.job_id = parcel.job_id LEFT JOIN file ON file.file_id = parcel.file_id
LEFT JOIN input ON input.input_id = parcel.input_id
LEFT JOIN file AS used ON used.file_id = (SELECT min(file_id) FROM input_use WHERE input_use.input_id = parcel.input_id)
WHERE parcel.state = 'waiting' AND parcel.queue = ? AND parcel.direction = ? AND parcel.hop = ? AND parcel.routed = 0 AND parcel.due <= ?
ORDER BY parcel.due LIMIT ?;

-- name: route
-- Its way is known.
UPDATE parcel SET routed = 1, source = ?, source_path = ?, destination = ?, destination_path = ?, readable = ?, options = ?
WHERE parcel_id = ? AND state = 'waiting';

-- name: piles
-- Files that may share a batch.
SELECT source, destination, options, count(*), coalesce(sum(size), 0), min(since) FROM parcel
WHERE state = 'waiting' AND queue = ? AND direction = ? AND hop = ? AND routed = 1 AND due <= ?
GROUP BY source, destination, options ORDER BY min(since);

-- name: pile
-- The files of one pile that have waited longest.
SELECT parcel_id, size FROM parcel
WHERE state = 'waiting' AND queue = ? AND direction = ? AND hop = ? AND routed = 1 AND due <= ? AND source = ? AND destination = ? AND options = ?
ORDER BY since, parcel_id LIMIT ?;

-- name: reserve
UPDATE counter SET value = value + 1 WHERE name = 'transfer';

-- name: reserved
SELECT value FROM counter WHERE name = 'transfer';

-- name: plan
-- The intent.
INSERT INTO transfer (transfer_id, key, queue, direction, hop, state, source, destination, options, files, size, created, changed, due)
VALUES (?1, ?2, ?3, ?4, ?5, 'planned', ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?11);

-- name: put_into
-- From waiting to moving.
UPDATE parcel SET state = 'moving', transfer_id = ? WHERE parcel_id = ? AND state = 'waiting';

-- name: items
-- What is to be moved by a batch, and has no end yet.
SELECT parcel.parcel_id, parcel.direction, parcel.job_id, job.task_id, coalesce(file.lfn, input.lfn), coalesce(file.scope, input.scope),
    coalesce(file.dataset, used.dataset, ''), coalesce(file.endpoint, used.endpoint, ''), coalesce(file.guid, used.guid, ''), parcel.size,
    parcel.checksum, parcel.hop, parcel.at_name, parcel.at_path, coalesce(input.path, ''), parcel.source, parcel.source_path,
    parcel.destination, parcel.destination_path, parcel.readable, parcel.options, parcel.tries
FROM parcel LEFT JOIN job ON job.job_id = parcel.job_id LEFT JOIN file ON file.file_id = parcel.file_id
LEFT JOIN input ON input.input_id = parcel.input_id
LEFT JOIN file AS used ON used.file_id = (SELECT min(file_id) FROM input_use WHERE input_use.input_id = parcel.input_id)
WHERE parcel.transfer_id = ? AND parcel.state = 'moving' ORDER BY parcel.parcel_id;

-- name: count_moving
SELECT count(*) FROM parcel WHERE transfer_id = ? AND state = 'moving';

-- name: due
-- Batches that want looking at.
SELECT transfer_id, key, queue, direction, hop, state, source, destination, options, token, task, why, remedy, files, size, done_files,
    done_size, event, faults, submissions, tries, created, changed, submitted, due, cancel, stuck
FROM transfer WHERE due <= ? ORDER BY due LIMIT ?;

-- name: next_due
SELECT min(due) FROM transfer WHERE due IS NOT NULL;

-- name: next_parcel
-- When a file that is put off may go on.
SELECT min(due) FROM parcel WHERE state = 'waiting' AND due > ?;

-- name: under_way
-- How many batches of a mover are under way.
SELECT count(*) FROM transfer WHERE queue = ? AND direction = ? AND hop = ? AND state IN ('planned', 'active');

-- name: set_token
UPDATE transfer SET token = ? WHERE transfer_id = ? AND state = 'planned';

-- name: submitted
-- From planned to active.
UPDATE transfer SET state = 'active', task = ?1, submissions = submissions + 1, tries = 0, why = '', remedy = '', submitted = ?2, changed = ?2,
    due = ?3, stuck = NULL
WHERE transfer_id = ?4 AND state = 'planned';

-- name: again
-- It does not go on for now.
UPDATE transfer SET due = ?, tries = ?, why = ?, remedy = ?, stuck = coalesce(stuck, ?) WHERE transfer_id = ? AND state IN ('planned', 'active');

-- name: look_again
-- Nothing has changed.
UPDATE transfer SET due = ? WHERE transfer_id = ? AND state IN ('planned', 'active');

-- name: hurry_parked
-- What a person had to mend is mended.
UPDATE transfer SET due = ? WHERE queue = ? AND direction = ? AND hop = ? AND state IN ('planned', 'active') AND remedy <> '';

-- name: hurry_unrouted
-- Files that have found no way are asked for at once.
UPDATE parcel SET due = ?1 WHERE state = 'waiting' AND queue = ?2 AND direction = ?3 AND hop = ?4 AND routed = 0 AND due > ?1;

-- name: any_over
-- Whether a batch ended long ago.
SELECT 1 FROM transfer WHERE due IS NULL AND changed < ? LIMIT 1;

-- name: progress
-- It goes on.
UPDATE transfer SET done_files = ?, done_size = ?, event = ?, faults = ?, why = ?, remedy = '', tries = 0, due = ?, stuck = NULL
WHERE transfer_id = ? AND state = 'active';

-- name: planned_again
-- From active to planned: the outside has lost it.
UPDATE transfer SET state = 'planned', task = '', token = '', why = ?, changed = ?, due = ? WHERE transfer_id = ? AND state = 'active';

-- name: ended
-- Each of its items has its end.
UPDATE transfer SET state = ?1, why = ?2, remedy = '', changed = ?3, due = NULL WHERE transfer_id = ?4 AND state IN ('planned', 'active');

-- name: cancel
-- Nobody wants it any more.
UPDATE transfer SET cancel = 1, due = ? WHERE transfer_id = ? AND state IN ('planned', 'active');

-- name: moved
-- From moving to moved.
UPDATE parcel SET state = 'moved', size = coalesce(?1, size), checksum = CASE WHEN ?2 = '' THEN checksum ELSE ?2 END, why = ''
WHERE parcel_id = ?3 AND state = 'moving' AND transfer_id = ?4;

-- name: next_hop
-- From moving to waiting, one hop further.
UPDATE parcel SET state = 'waiting', hop = hop + 1, at_name = ?1, at_path = ?2, routed = 0, tries = 0, why = '', size = coalesce(?3, size),
    checksum = CASE WHEN ?4 = '' THEN checksum ELSE ?4 END, since = ?5, due = ?5
WHERE parcel_id = ?6 AND state = 'moving' AND transfer_id = ?7;

-- name: try_again
-- From moving to waiting: in another batch.
UPDATE parcel SET state = 'waiting', tries = ?, why = ?, due = ? WHERE parcel_id = ? AND state = 'moving' AND transfer_id = ?;

-- name: failed
-- For good.
UPDATE parcel SET state = 'failed', why = ? WHERE parcel_id = ? AND state IN ('waiting', 'moving');

-- name: later
-- Still waiting, looked at later.
UPDATE parcel SET due = ?, tries = ?, why = ? WHERE parcel_id = ? AND state = 'waiting';

-- name: ends
-- What some files on their way belong to.
SELECT parcel_id, file_id, input_id, job_id FROM parcel WHERE parcel_id IN (SELECT value FROM json_each(?));

-- name: unwanted_outputs
-- Outputs on their way whose jobs are over.
SELECT parcel.parcel_id, parcel.transfer_id FROM job CROSS JOIN parcel ON parcel.job_id = job.job_id
WHERE parcel.direction = 'out' AND parcel.state IN ('waiting', 'moving') AND job.state IN ('finished', 'failed', 'cancelled')
AND parcel.parcel_id IN (SELECT value FROM json_each(?));

-- name: unwanted_inputs
-- Inputs on their way that no job waits for.
SELECT parcel_id, transfer_id FROM parcel
WHERE parcel_id IN (SELECT value FROM json_each(?)) AND direction = 'in' AND state IN ('waiting', 'moving') AND NOT EXISTS (
    SELECT 1 FROM input_use CROSS JOIN job ON job.job_id = input_use.job_id
    WHERE input_use.input_id = parcel.input_id AND job.state IN ('fetched', 'preparing')
);

-- name: open
-- Files on their way, from a row on.
SELECT parcel_id FROM parcel WHERE parcel_id > ? AND state IN ('waiting', 'moving') ORDER BY parcel_id LIMIT ?;

-- name: drop
UPDATE parcel SET state = 'dropped' WHERE parcel_id = ? AND state IN ('waiting', 'moving');

-- name: drop_input
-- From wanted to failed: it takes no room any more.
UPDATE input SET state = 'failed', why = 'no job wants it any more'
WHERE state = 'wanted' AND input_id = (SELECT input_id FROM parcel WHERE parcel_id = ? AND state = 'dropped');

-- name: begin_again_waiting
-- Files that wait on a hop that there is no more.
UPDATE parcel SET hop = 0, at_name = '', at_path = coalesce(
        (SELECT path FROM file WHERE file.file_id = parcel.file_id), (SELECT origin FROM input WHERE input.input_id = parcel.input_id), ''),
    routed = 0, tries = 0, since = ?1, due = ?1
WHERE state = 'waiting' AND queue = ?2 AND direction = ?3 AND hop >= ?4;

-- name: begin_again_moving
-- The same of those in a batch.
UPDATE parcel SET state = 'waiting', transfer_id = NULL, hop = 0, at_name = '', at_path = coalesce(
        (SELECT path FROM file WHERE file.file_id = parcel.file_id), (SELECT origin FROM input WHERE input.input_id = parcel.input_id), ''),
    routed = 0, tries = 0, since = ?1, due = ?1
WHERE state = 'moving' AND transfer_id IN (
    SELECT transfer_id FROM transfer WHERE queue = ?2 AND direction = ?3 AND hop >= ?4 AND state IN ('planned', 'active')
);

-- name: wake_zips
-- Zips of event outputs whose files have an end.
UPDATE event_zip SET due = ?1 WHERE file_id IN (SELECT value FROM json_each(?2));

-- name: wake_jobs
UPDATE job SET due = ?1 WHERE job_id IN (SELECT value FROM json_each(?2)) AND state IN ('preparing', 'transferring');

-- name: wake_ended_zip
-- A zip whose file came to its end while somebody looked at it.
UPDATE event_zip SET due = ?1 WHERE file_id = ?2
AND EXISTS (SELECT 1 FROM file WHERE file.file_id = event_zip.file_id AND file.state IN ('finished', 'failed'));

-- name: wake_prepared
-- Jobs whose inputs came to their end while somebody looked at them.
UPDATE job SET due = ?1 WHERE job_id IN (SELECT value FROM json_each(?2)) AND state = 'preparing' AND due > ?1 + 60 AND EXISTS (
    SELECT 1 FROM input_use WHERE input_use.job_id = job.job_id
) AND (NOT EXISTS (
    SELECT 1 FROM input_use CROSS JOIN input ON input.input_id = input_use.input_id
    WHERE input_use.job_id = job.job_id AND input.state IN ('wanted', 'leaving')
) OR EXISTS (
    SELECT 1 FROM input_use CROSS JOIN input ON input.input_id = input_use.input_id
    WHERE input_use.job_id = job.job_id AND input.state = 'failed'
));

-- name: wake_transferred
-- The same of outputs.
UPDATE job SET due = ?1 WHERE job_id IN (SELECT value FROM json_each(?2)) AND state = 'transferring' AND due > ?1 + 60 AND NOT EXISTS (
    SELECT 1 FROM file CROSS JOIN parcel ON parcel.file_id = file.file_id
    WHERE file.job_id = job.job_id AND parcel.state IN ('waiting', 'moving')
);

-- name: forget
-- Batches that have ended long ago.
DELETE FROM transfer WHERE transfer_id IN (SELECT transfer_id FROM transfer WHERE due IS NULL AND changed < ? LIMIT ?);

-- name: by_ids
SELECT transfer_id, key, queue, direction, hop, state, source, destination, options, token, task, why, remedy, files, size, done_files,
    done_size, event, faults, submissions, tries, created, changed, submitted, due, cancel, stuck
FROM transfer WHERE transfer_id IN (SELECT value FROM json_each(?));

-- name: contents
-- The files that are, or were last, in a batch.
SELECT parcel.parcel_id, coalesce(file.lfn, input.lfn), parcel.job_id, parcel.state, parcel.size, parcel.tries, parcel.why,
    parcel.source_path, parcel.destination_path
FROM parcel LEFT JOIN file ON file.file_id = parcel.file_id LEFT JOIN input ON input.input_id = parcel.input_id
WHERE parcel.transfer_id = ? ORDER BY parcel.parcel_id LIMIT ?;

-- name: waiting_counts
-- What waits for a batch, by mover.
SELECT queue, direction, hop, count(*), coalesce(sum(size), 0), min(since) FROM parcel WHERE state = 'waiting' GROUP BY queue, direction, hop;

-- name: tried_again
-- Files that did not arrive and are tried again, by queue and direction; when and why are those of the one that was tried most often.
SELECT queue, direction, count(DISTINCT job_id), max(tries), due, why FROM parcel
WHERE state = 'waiting' AND tries > 0 GROUP BY queue, direction;

-- name: whys_of_job
-- Files of a job on their way that did not arrive so far: tries and why of the last time.
SELECT file.file_id, parcel.tries, parcel.why FROM file JOIN parcel ON parcel.file_id = file.file_id
WHERE file.job_id = ?1 AND parcel.state IN ('waiting', 'moving') AND parcel.tries > 0
UNION ALL
SELECT input_use.file_id, parcel.tries, parcel.why FROM input_use JOIN parcel ON parcel.input_id = input_use.input_id
WHERE input_use.job_id = ?1 AND parcel.state IN ('waiting', 'moving') AND parcel.tries > 0;
