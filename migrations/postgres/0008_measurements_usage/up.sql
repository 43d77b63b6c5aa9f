-- What was evaluated: a row per variation that a flag has served in an environment. The row of environment 0 says since
-- when that is counted.
CREATE TABLE flag_usage (
    environment_id BIGINT NOT NULL,
    flag_key TEXT COLLATE "C" NOT NULL,
    variation TEXT COLLATE "C" NOT NULL,
    evaluations BIGINT NOT NULL,
    first_at TEXT COLLATE "C" NOT NULL,
    last_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, flag_key, variation)
);
