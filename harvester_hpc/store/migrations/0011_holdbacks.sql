-- PanDA queues whose workers are held back by a limit of the site: one row each, while that lasts.

CREATE TABLE holdback (
    queue TEXT PRIMARY KEY,
    since REAL NOT NULL,
    why TEXT NOT NULL
);
