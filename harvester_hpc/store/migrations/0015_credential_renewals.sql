-- Why the last renewal of a credential brought nothing, beside why it is not good.
ALTER TABLE credential ADD COLUMN failed TEXT NOT NULL DEFAULT '';
