"""The sentences, in the SQL of MariaDB and MySQL."""
from __future__ import annotations

#: One row for each queue; who has locked it has the queue to himself.
MAKE_QUEUE = """
CREATE TABLE IF NOT EXISTS fifo_queue (
    queue VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    life CHAR(16) CHARACTER SET ascii NOT NULL,
    next_id BIGINT NOT NULL DEFAULT 1
) ENGINE=InnoDB
"""
#: held_until: seconds since 1970; NULL: it is free.
MAKE_ENTRY = """
CREATE TABLE IF NOT EXISTS fifo_entry (
    queue VARCHAR(190) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entry_id BIGINT NOT NULL,
    score DOUBLE NOT NULL,
    item LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    held_until DOUBLE NULL,
    PRIMARY KEY (queue, entry_id),
    KEY entry_order (queue, held_until, score, entry_id)
) ENGINE=InnoDB
"""
BEGIN_LIFE = "INSERT IGNORE INTO fifo_queue (queue, life) VALUES (%s, %s)"
LIFE = "SELECT life, next_id FROM fifo_queue WHERE queue = %s FOR UPDATE"
NEXT_LIFE = "UPDATE fifo_queue SET life = %s WHERE queue = %s"
COUNT_ON = "UPDATE fifo_queue SET next_id = next_id + %s WHERE queue = %s"
PUT = "INSERT INTO fifo_entry (queue, entry_id, score, item) VALUES (%s, %s, %s, %s)"
FIRST = """
SELECT entry_id, score, item FROM fifo_entry
WHERE queue = %s AND held_until IS NULL AND score <= %s ORDER BY score, entry_id LIMIT %s OFFSET %s
"""
BACK = "UPDATE fifo_entry SET held_until = NULL WHERE queue = %s AND held_until <= %s"
HOLD = "UPDATE fifo_entry SET held_until = %s WHERE queue = %s AND entry_id IN %s"
RELEASE = "UPDATE fifo_entry SET held_until = NULL WHERE queue = %s AND held_until IS NOT NULL AND entry_id IN %s"
DELETE = "DELETE FROM fifo_entry WHERE queue = %s AND entry_id IN %s"
SIZE = "SELECT count(*) FROM fifo_entry WHERE queue = %s"
HELD = "SELECT count(*) FROM fifo_entry WHERE queue = %s AND held_until > %s"
CLEAR = "DELETE FROM fifo_entry WHERE queue = %s"
