DROP INDEX flag_versions_by_time;
ALTER TABLE flag_versions DROP COLUMN served;
