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
