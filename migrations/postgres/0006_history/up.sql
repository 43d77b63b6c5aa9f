-- Why a version came to be: the audit row's action, reason and request, and the version that it brought back.
ALTER TABLE flag_versions ADD COLUMN action TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN reason TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN request_id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE flag_versions ADD COLUMN restored_version BIGINT;
