-- name: insert
-- A file known from the job dictionary or declared by a worker.
INSERT INTO file (job_id, kind, lfn, state, scope, dataset, endpoint, guid, size, checksum, path)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id, kind, lfn) DO NOTHING;

-- name: declare
-- From expected to defined: the worker says where the file lies; a second word about it is ignored.
INSERT INTO file (job_id, kind, lfn, state, guid, size, checksum, path) VALUES (?, ?, ?, 'defined', ?, ?, ?, ?)
ON CONFLICT (job_id, kind, lfn) DO UPDATE SET state = 'defined', size = excluded.size, checksum = excluded.checksum, path = excluded.path,
    guid = CASE WHEN guid = '' THEN excluded.guid ELSE guid END
WHERE file.state = 'expected';

-- name: step
-- To another state; what is not said stays. A final state is never left.
UPDATE file SET state = ?, path = CASE WHEN ?2 = '' THEN path ELSE ?2 END, url = CASE WHEN ?3 = '' THEN url ELSE ?3 END,
    size = coalesce(?4, size), checksum = CASE WHEN ?5 = '' THEN checksum ELSE ?5 END, why = ?6
WHERE file_id = ?7 AND state NOT IN ('ready', 'finished', 'failed');

-- name: give_up
-- What a job still waited for will not come.
UPDATE file SET state = 'failed', why = ? WHERE job_id = ? AND state = ? AND kind <> 'event_zip';

-- name: of_jobs
-- Files of some jobs.
SELECT file_id, job_id, kind, lfn, state, scope, dataset, endpoint, guid, size, checksum, path, url, tries, why
FROM file WHERE job_id IN (SELECT value FROM json_each(?)) ORDER BY file_id;
