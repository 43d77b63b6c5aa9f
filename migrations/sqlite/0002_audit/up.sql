CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    project TEXT,
    environment TEXT,
    request_id TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    changes TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_resource ON audit (resource, sequence);
CREATE INDEX audit_by_actor ON audit (actor_name, sequence);
CREATE INDEX audit_by_action ON audit (action, sequence);
CREATE INDEX audit_by_environment ON audit (environment, sequence);
CREATE INDEX audit_by_time ON audit (at);

CREATE TRIGGER audit_rows_do_not_change BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows do not change');
END;
