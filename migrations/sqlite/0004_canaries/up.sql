-- A policy holds its stages and guards; progress is where a started canary stands.
CREATE TABLE canaries (
    flag_id BIGINT NOT NULL REFERENCES flags (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    policy TEXT NOT NULL,
    progress TEXT,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (flag_id, environment_id)
);
CREATE INDEX canaries_by_state ON canaries (state);

CREATE TABLE canary_log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    flag_id BIGINT NOT NULL,
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    release_id TEXT,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    event TEXT NOT NULL,
    stage BIGINT,
    percentage DOUBLE,
    reason TEXT NOT NULL,
    verdict_id TEXT
);
CREATE INDEX canary_log_by_flag ON canary_log (flag_id, environment_id, id);

-- Evidence so far, consumed up to and with one window: saved with the decision it led to.
CREATE TABLE guard_states (
    release_id TEXT NOT NULL,
    guard TEXT NOT NULL,
    position BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (release_id, guard)
);

CREATE TABLE verdicts (
    id TEXT NOT NULL PRIMARY KEY,
    flag_id BIGINT NOT NULL,
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    release_id TEXT NOT NULL,
    at TEXT NOT NULL,
    decision TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX verdicts_by_flag ON verdicts (flag_id, environment_id, id);
