-- One metric of one arm of a release over one window, summed over all instances.
CREATE TABLE measurement_windows (
    release_id TEXT COLLATE "C" NOT NULL,
    start TEXT COLLATE "C" NOT NULL,
    arm TEXT COLLATE "C" NOT NULL,
    metric TEXT COLLATE "C" NOT NULL,
    seconds BIGINT NOT NULL,
    summary TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (release_id, start, arm, metric)
);

-- Which batches have been counted.
CREATE TABLE measurement_batches (
    environment_id BIGINT NOT NULL,
    instance TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (environment_id, instance, sequence)
);
CREATE INDEX measurement_batches_by_time ON measurement_batches (at);
