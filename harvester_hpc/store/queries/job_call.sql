-- name: begin
-- A request for jobs is about to be made.
INSERT INTO job_call (queue, asked, wanted) VALUES (?1, ?2, ?3) ON CONFLICT (queue) DO UPDATE SET asked = ?2, wanted = ?3;

-- name: answered
-- Its answer is stored, or it was not made.
DELETE FROM job_call WHERE queue = ?;

-- name: lost
-- Nobody knows its answer.
INSERT INTO lost_answer (queue, asked, wanted, why) SELECT queue, asked, wanted, ?2 FROM job_call WHERE queue = ?1;

-- name: under_way
-- Requests whose answer is not stored.
SELECT queue, asked, wanted FROM job_call;

-- name: lost_since
-- Answers that were lost.
SELECT queue, asked, wanted, why FROM lost_answer WHERE asked >= ? ORDER BY asked;

-- name: forget
-- Whatever was lost then is given up there.
DELETE FROM lost_answer WHERE asked < ?;
