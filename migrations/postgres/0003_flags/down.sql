DROP TABLE outbox;
DROP TABLE flag_versions;
DROP TABLE flag_configurations;
DROP TABLE flags;
