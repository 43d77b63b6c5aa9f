ALTER TABLE flag_versions DROP COLUMN restored_version;
ALTER TABLE flag_versions DROP COLUMN request_id;
ALTER TABLE flag_versions DROP COLUMN reason;
ALTER TABLE flag_versions DROP COLUMN action;
