CREATE TABLE segments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    rules TEXT NOT NULL,
    included BIGINT NOT NULL,
    excluded BIGINT NOT NULL,
    version BIGINT NOT NULL,
    digest TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (project_id, key)
);

-- A part of a list of keys, rising, a key per line, as it is from version `since` until before version `until`. It holds
-- the list's keys from `first_key` up to the next part's; the first part begins with the empty text.
CREATE TABLE segment_chunks (
    segment_id BIGINT NOT NULL REFERENCES segments (id),
    list TEXT NOT NULL,
    first_key TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,
    keys TEXT NOT NULL,
    PRIMARY KEY (segment_id, list, first_key, since)
);
CREATE INDEX segment_chunks_by_end ON segment_chunks (segment_id, until, list, first_key);

CREATE TABLE segment_versions (
    segment_id BIGINT NOT NULL REFERENCES segments (id),
    version BIGINT NOT NULL,
    rules TEXT NOT NULL,
    included BIGINT NOT NULL,
    excluded BIGINT NOT NULL,
    digest TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (segment_id, version)
);

-- Which revision of an environment came with which version.
CREATE TABLE segment_revisions (
    segment_id BIGINT NOT NULL REFERENCES segments (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (environment_id, segment_id, revision)
);
CREATE INDEX segment_revisions_by_segment ON segment_revisions (segment_id, version);

-- The hash of the state that a change leads to: the message of one that is too long to be sent does not say it.
ALTER TABLE outbox ADD COLUMN hash TEXT;
