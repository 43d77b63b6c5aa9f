-- Why a version came to be: the audit row's action, reason and request, and the version that it brought back.
ALTER TABLE flag_versions ADD COLUMN action TEXT NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN request_id TEXT NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN restored_version BIGINT;
