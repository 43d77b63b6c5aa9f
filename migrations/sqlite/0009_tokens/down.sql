ALTER TABLE credentials DROP COLUMN last_used_at;
ALTER TABLE credentials DROP COLUMN version;
ALTER TABLE credentials DROP COLUMN allowed_origins;
ALTER TABLE credentials DROP COLUMN prefix;
