-- name: identity
-- Who this workload management system is.
SELECT value FROM about WHERE key = 'identity';

-- name: add
-- A new job, which may be handed out at once.
INSERT INTO job (state, queue, label, priority, resource_type, attempt, attempts, parent, task, letter, part, created, changed, description)
VALUES ('activated', :queue, :label, :priority, :resource_type, :attempt, :attempts, :parent, :task, :letter, :part, :now, :now, :description);

-- name: of_letter
-- Jobs that came from a file of the inbox.
SELECT id FROM job WHERE letter = :letter AND letter <> '' ORDER BY part;

-- name: waiting
-- Jobs to hand out: highest priority first, then oldest.
SELECT id, attempt, task, description FROM job
WHERE state = 'activated' AND queue IN ('', :site) AND label IN (SELECT value FROM json_each(:labels))
  AND (:resource_type = '' OR resource_type = :resource_type)
ORDER BY priority DESC, id LIMIT :n;

-- name: unheard
-- Jobs handed out to this site of which nothing was heard: given to a process that is gone, or long ago.
SELECT id, attempt, task, description FROM job
WHERE state = 'sent' AND killed = 0 AND site = :site AND (handed_to <> :process OR handed < :before)
ORDER BY id LIMIT :n;

-- name: first_given
-- activated -> sent.
UPDATE job SET state = 'sent', site = :site, handed_to = :process, handed = :now, changed = :now WHERE id = :id AND state = 'activated';

-- name: given_again
-- Still sent; its deadline stays what it was.
UPDATE job SET handed_to = :process, handed = :now WHERE id = :id AND state = 'sent';

-- name: sent
-- Jobs handed out of which nothing was heard.
SELECT id, attempt, task, description FROM job WHERE state = 'sent' ORDER BY id;

-- name: standing
-- What a report is judged by.
SELECT id, state, attempt, attempts, killed, task, description FROM job WHERE id = :id;

-- name: report
-- Any state that is not final -> :state.
UPDATE job SET state = :state, changed = :now, sub_status = :sub_status, why = :why, report = :report,
    batch_id = CASE WHEN :batch_id = '' THEN batch_id ELSE :batch_id END
WHERE id = :id AND state NOT IN ('finished', 'failed', 'cancelled');

-- name: overdue
-- Jobs of which the client has said nothing for too long.
SELECT id, state, attempt, attempts, killed, task, description FROM job
WHERE (state = 'sent' AND changed < :sent_before) OR (state IN ('starting', 'running') AND changed < :silent_before);

-- name: end
-- Any state that is not final -> :state.
UPDATE job SET state = :state, why = :why, changed = :now WHERE id = :id AND state NOT IN ('finished', 'failed', 'cancelled');

-- name: next_attempt
-- The attempt that follows a job.
SELECT id FROM job WHERE parent = :id;

-- name: mark_killed
-- Its next report is answered "tobekilled".
UPDATE job SET killed = 1 WHERE id = :id AND state NOT IN ('activated', 'finished', 'failed', 'cancelled');

-- name: count
-- Jobs by state.
SELECT state, count(*) FROM job GROUP BY state;

-- name: job
-- All of one job.
SELECT * FROM job WHERE id = :id;

-- name: put_command
-- A new command.
INSERT INTO command (command, params, ack, state, created) VALUES (:command, :params, :ack, 'new', :now);

-- name: open_commands
-- New ones, and those that a process now gone has taken without carrying them out.
SELECT id, command, params, ack FROM command
WHERE state IN ('new', 'retrieved') AND (state = 'new' OR (ack = 1 AND handed_to <> :process))
ORDER BY id LIMIT :n;

-- name: take_command
-- new -> retrieved, or new -> dropped.
UPDATE command SET state = :state, handed_to = :process WHERE id = :id;

-- name: acknowledge
-- retrieved -> acknowledged.
UPDATE command SET state = 'acknowledged' WHERE id = :id AND state = 'retrieved';

-- name: worker
-- The last word about a worker.
INSERT INTO worker (instance, id, state, queue, batch_id, report, changed)
VALUES (:instance, :id, :state, :queue, :batch_id, :report, :now)
ON CONFLICT (instance, id) DO UPDATE SET state = excluded.state, queue = excluded.queue, batch_id = excluded.batch_id,
    report = excluded.report, changed = excluded.changed;

-- name: tell
-- The last word of an instance about a subject.
INSERT INTO told (instance, subject, value, changed) VALUES (:instance, :subject, :value, :now)
ON CONFLICT (instance, subject) DO UPDATE SET value = excluded.value, changed = excluded.changed;

-- name: dialog
-- A message for operators; the same number again replaces it.
INSERT INTO dialog (instance, id, message) VALUES (:instance, :id, :message)
ON CONFLICT (instance, id) DO UPDATE SET message = excluded.message;

-- name: forget_dialogs
-- Only the newest are kept.
DELETE FROM dialog WHERE number <= (SELECT max(number) FROM dialog) - :keep;

-- name: event_root
-- A job that works on event ranges.
INSERT INTO event_job (job, root) VALUES (:id, :root);

-- name: event_same_root
-- Another attempt of such a job.
INSERT INTO event_job (job, root) SELECT :id, root FROM event_job WHERE job = :parent;

-- name: event_task
INSERT INTO event_task (root, ranges, per_range, attempts) VALUES (:root, :ranges, :per_range, :attempts);

-- name: event_ranges
-- All ranges of a new job.
WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < :ranges)
INSERT INTO event_range (root, number) SELECT :root, number FROM numbers;

-- name: event_job
-- A job that may be given ranges.
SELECT event_job.root, event_task.per_range, job.task FROM event_job
JOIN event_task ON event_task.root = event_job.root JOIN job ON job.id = event_job.job
WHERE event_job.job = :id AND job.killed = 0 AND job.state IN ('sent', 'starting', 'running');

-- name: event_job_ever
-- A job that works on ranges, or did.
SELECT event_job.root, event_task.per_range, job.task FROM event_job
JOIN event_task ON event_task.root = event_job.root JOIN job ON job.id = event_job.job WHERE event_job.job = :id;

-- name: event_ready
-- Ranges to give out, in order.
SELECT number, attempt FROM event_range WHERE root = :root AND state = 'ready' ORDER BY number LIMIT :n;

-- name: event_scattered
-- Ranges to give out, from all over the job.
SELECT number, attempt FROM event_range WHERE root = :root AND state = 'ready' ORDER BY (number * 2654435761) % 4294967296 LIMIT :n;

-- name: event_send
-- ready -> sent.
UPDATE event_range SET state = 'sent', job = :job WHERE root = :root AND number = :number AND state = 'ready';

-- name: event_standing
-- What a report is judged by.
SELECT event_range.attempt, event_range.state, event_range.job, event_task.attempts, coalesce(job.task, job.id) AS task FROM event_range
JOIN event_task ON event_task.root = event_range.root JOIN job ON job.id = event_range.root WHERE event_range.root = :root AND event_range.number = :number;

-- name: event_end
-- sent -> finished, failed or fatal.
UPDATE event_range SET state = :state, zip = :zip, why = nullif(:why, '') WHERE root = :root AND number = :number AND state = 'sent';

-- name: event_again
-- sent -> ready, under the name of the next attempt.
UPDATE event_range SET state = 'ready', attempt = attempt + 1, job = NULL, why = nullif(:why, '')
WHERE root = :root AND number = :number AND state = 'sent';

-- name: event_zip
INSERT INTO event_zip (job, lfn, size, checksum, url) VALUES (:job, :lfn, :size, :checksum, :url) ON CONFLICT (job, lfn) DO NOTHING;

-- name: event_zip_number
SELECT id FROM event_zip WHERE job = :job AND lfn = :lfn;

-- name: event_sent
-- What a job was given and has not told about.
SELECT number, attempt FROM event_range WHERE job = :job AND state = 'sent' ORDER BY number;

-- name: event_release
-- sent -> ready: the job has ended.
UPDATE event_range SET state = 'ready', job = NULL WHERE job = :job AND state = 'sent';

-- name: event_any_finished
SELECT EXISTS (SELECT 1 FROM event_range WHERE job = :job AND state = 'finished');

-- name: event_any_unfinished
SELECT EXISTS (SELECT 1 FROM event_range WHERE root = :root AND state <> 'finished');

-- name: event_any_ready
SELECT EXISTS (SELECT 1 FROM event_range WHERE root = :root AND state = 'ready');

-- name: event_tally
-- Ranges of a job by state.
SELECT event_range.state, count(*) FROM event_job JOIN event_range ON event_range.root = event_job.root
WHERE event_job.job = :id GROUP BY event_range.state;

-- name: event_zips
-- Zips of a job, with the numbers of their ranges.
SELECT event_zip.lfn, event_zip.size, event_zip.checksum, event_zip.url,
    (SELECT json_group_array(number) FROM event_range WHERE event_range.job = event_zip.job AND event_range.state = 'finished'
        AND event_range.zip = event_zip.id) AS ranges
FROM event_zip WHERE event_zip.job = :job ORDER BY event_zip.id;
