-- name: known
-- What was told of each site, and when.
SELECT site, numbers, told, due FROM site_statistics;

-- name: hurry
-- Somebody asks for the numbers of a site.
INSERT INTO site_statistics (site, due) VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET due = ?2;

-- name: hurried
-- Whether somebody asks.
SELECT EXISTS (SELECT 1 FROM site_statistics WHERE due IS NOT NULL);

-- name: told
-- The system knows these numbers.
INSERT INTO site_statistics (site, numbers, told) VALUES (?1, ?2, ?3)
ON CONFLICT (site) DO UPDATE SET numbers = ?2, told = ?3, due = NULL;

-- name: forget
-- A site that is no longer ours, and was told that it has no workers.
DELETE FROM site_statistics WHERE site = ?;

-- name: put_fact
-- What the system says of itself.
INSERT INTO fact (name, value, changed) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO UPDATE SET value = ?2, changed = ?3;

-- name: fact
SELECT value, changed FROM fact WHERE name = ?;
