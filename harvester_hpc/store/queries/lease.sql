-- name: holder
-- Who has the lease, or had it last.
SELECT generation, host, pid, process_started, boot, since, beat, beats, released, program FROM lease WHERE one = 1;

-- name: take
-- A free lease, or one of a dead holder, becomes ours under the next generation.
INSERT INTO lease (one, generation, host, pid, process_started, boot, since, beat, beats, released, program)
VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?6, 0, 0, ?7)
ON CONFLICT (one) DO UPDATE SET generation = ?1, host = ?2, pid = ?3, process_started = ?4, boot = ?5, since = ?6, beat = ?6, beats = 0,
    released = 0, program = ?7;

-- name: check
-- A row: the lease is ours.
SELECT 1 FROM lease WHERE one = 1 AND generation = ? AND pid = ? AND since = ? AND released = 0;

-- name: beat
-- A sign of life; no row: the lease is no longer ours.
UPDATE lease SET beat = ?, beats = beats + 1 WHERE one = 1 AND generation = ? AND pid = ? AND since = ? AND released = 0;

-- name: release
-- Given back: free at once.
UPDATE lease SET released = 1 WHERE one = 1 AND generation = ? AND pid = ? AND since = ? AND released = 0;
