-- name: jobs
-- Jobs in states whose owners go by the clock.
UPDATE job SET due = ?1 WHERE state IN ('fetched', 'preparing', 'to_transfer', 'transferring') AND due > ?2;

-- name: workers
-- Workers that go on.
UPDATE worker SET due = ?1 WHERE state IN ('planned', 'submitted', 'running') AND due > ?2;

-- name: kills
-- Workers that are to be ended.
UPDATE worker SET kill_due = ?1 WHERE kill_due > ?2;

-- name: looks
-- Workers whose letters are to be read.
UPDATE worker SET look = ?1 WHERE look > ?2;

-- name: tells
-- Workers of which the workload management system is to be told.
UPDATE worker SET tell = ?1 WHERE tell > ?2;

-- name: reports
-- Reports and heartbeats of jobs.
UPDATE report SET due = ?1 WHERE due > ?2;

-- name: job_requests
-- Workers that ask for jobs.
UPDATE job_request SET due = ?1, since = min(since, ?1) WHERE due > ?2;

-- name: transfers
-- Batches of files under way.
UPDATE transfer SET due = ?1 WHERE due > ?2;

-- name: parcels
-- Files that wait for a batch.
UPDATE parcel SET due = ?1 WHERE state = 'waiting' AND due > ?2;

-- name: worker_logs
-- Logs that are to be shown; how long they are is a matter of days.
UPDATE worker_log SET due = ?1, since = min(since, ?1) WHERE state IN ('live', 'wanted') AND due > ?2;
