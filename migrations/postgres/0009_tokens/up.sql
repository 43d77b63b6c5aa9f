-- What a secret begins with, so that people know which one it is; empty for those created before this was kept.
ALTER TABLE credentials ADD COLUMN prefix TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Where browsers may use a client key, as a JSON list of origins.
ALTER TABLE credentials ADD COLUMN allowed_origins TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE credentials ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
-- To the minute, written some time later.
ALTER TABLE credentials ADD COLUMN last_used_at TEXT COLLATE "C";
