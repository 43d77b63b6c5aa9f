-- The flag's JSON as SDKs got it with this version, to the letter; empty where they got none. Versions from before this
-- column have null, but for those in force.
ALTER TABLE flag_versions ADD COLUMN served TEXT COLLATE "C";
UPDATE flag_versions SET served = (
    SELECT COALESCE(f.served, '') FROM flag_configurations AS f
    WHERE f.flag_id = flag_versions.flag_id AND f.environment_id = flag_versions.environment_id
        AND f.version = flag_versions.version
);
CREATE INDEX flag_versions_by_time ON flag_versions (environment_id, at, revision);
