-- One metric of one arm of a release over one window, summed over all instances.
CREATE TABLE measurement_windows (
    release_id TEXT NOT NULL,
    start TEXT NOT NULL,
    arm TEXT NOT NULL,
    metric TEXT NOT NULL,
    seconds BIGINT NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (release_id, start, arm, metric)
);

-- Which batches have been counted.
CREATE TABLE measurement_batches (
    environment_id BIGINT NOT NULL,
    instance TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (environment_id, instance, sequence)
);
CREATE INDEX measurement_batches_by_time ON measurement_batches (at);
