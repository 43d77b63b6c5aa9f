CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at TEXT COLLATE "C" NOT NULL,
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C" NOT NULL,
    actor_name TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    project TEXT COLLATE "C",
    environment TEXT COLLATE "C",
    request_id TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    changes TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_resource ON audit (resource, sequence);
CREATE INDEX audit_by_actor ON audit (actor_name, sequence);
CREATE INDEX audit_by_action ON audit (action, sequence);
CREATE INDEX audit_by_environment ON audit (environment, sequence);
CREATE INDEX audit_by_time ON audit (at);

CREATE FUNCTION audit_rows_do_not_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows do not change';
END
$$;
CREATE TRIGGER audit_rows_do_not_change BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_rows_do_not_change();
