-- name: report
-- What is to be told of a job.
SELECT state, told, tries, due FROM report WHERE job_id = ?;

-- name: moves
-- Files of a job that are on their way in batches: theirs, and inputs that it shares.
SELECT file.lfn, parcel.direction, parcel.state, parcel.tries, parcel.due, parcel.why, transfer.transfer_id, transfer.state, transfer.due,
    transfer.why, transfer.remedy
FROM file JOIN parcel ON parcel.file_id = file.file_id LEFT JOIN transfer ON transfer.transfer_id = parcel.transfer_id
WHERE file.job_id = ?1 AND parcel.state IN ('waiting', 'moving')
UNION ALL
SELECT input.lfn, parcel.direction, parcel.state, parcel.tries, parcel.due, parcel.why, transfer.transfer_id, transfer.state, transfer.due,
    transfer.why, transfer.remedy
FROM input_use JOIN input ON input.input_id = input_use.input_id JOIN parcel ON parcel.input_id = input_use.input_id
LEFT JOIN transfer ON transfer.transfer_id = parcel.transfer_id
WHERE input_use.job_id = ?1 AND parcel.state IN ('waiting', 'moving');

-- name: jobs_before
-- How many prepared jobs of one queue get a worker before one of this priority and number.
SELECT (SELECT count(*) FROM job WHERE queue = ?1 AND state = 'prepared' AND priority > ?2)
    + (SELECT count(*) FROM job WHERE queue = ?1 AND state = 'prepared' AND priority = ?2 AND job_id < ?3);

-- name: times
-- When a worker is looked after: by the sweeper who ends it, by the messenger who reads its letters, by the propagator who tells of it.
SELECT kill_due, look, tell FROM worker WHERE worker_id = ?;

-- name: request
-- Whether a worker asks for jobs: since when, when that is looked at, and which are on their way to it.
SELECT since, due, pending FROM job_request WHERE worker_id = ?;

-- name: is_queue
-- Whether there are rows of a PanDA queue of this name.
SELECT EXISTS (SELECT 1 FROM job WHERE queue = ?1) OR EXISTS (SELECT 1 FROM worker WHERE queue = ?1);
