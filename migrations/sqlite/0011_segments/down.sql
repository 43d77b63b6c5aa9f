ALTER TABLE outbox DROP COLUMN hash;
DROP TABLE segment_revisions;
DROP TABLE segment_versions;
DROP TABLE segment_chunks;
DROP TABLE segments;
