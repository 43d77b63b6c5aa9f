-- What a flag's configuration names: other flags (prerequisite) and segments (segment), by their keys.
CREATE TABLE flag_references (
    flag_id BIGINT NOT NULL REFERENCES flags (id),
    environment_id BIGINT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (flag_id, environment_id, kind, target)
);
CREATE INDEX flag_references_by_target ON flag_references (environment_id, kind, target);
