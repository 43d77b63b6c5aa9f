CREATE TABLE flags (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id),
    key TEXT NOT NULL,
    value_type TEXT NOT NULL,
    definition TEXT NOT NULL,
    version BIGINT NOT NULL,
    archived_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    UNIQUE (project_id, key)
);

CREATE TABLE flag_configurations (
    flag_id BIGINT NOT NULL REFERENCES flags (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    flag_key TEXT NOT NULL,
    version BIGINT NOT NULL,
    configuration TEXT NOT NULL,
    release_json TEXT,
    served TEXT,
    digest TEXT,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (flag_id, environment_id)
);
CREATE INDEX flag_configurations_by_environment ON flag_configurations (environment_id, flag_key);

-- Every version that ever was, as it stood.
CREATE TABLE flag_versions (
    flag_id BIGINT NOT NULL REFERENCES flags (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    configuration TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (flag_id, environment_id, version)
);
CREATE INDEX flag_versions_by_environment ON flag_versions (environment_id, revision);

-- Each committed change of an environment, as it is pushed.
CREATE TABLE outbox (
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    message TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (environment_id, revision)
);
