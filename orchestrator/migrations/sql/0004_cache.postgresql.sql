-- The outbox of cache invalidations, and the triggers that fill it (docs/coherent-cache.md).

CREATE TABLE cache_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tags text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Used by the hook before every COMMIT, which reads the rows of its own transaction.
CREATE INDEX ix_cache_outbox_transaction ON cache_outbox (transaction);
-- Rows live for a millisecond and the table is nearly empty: vacuum after a number of dead rows, not after a share.
ALTER TABLE cache_outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1
);

-- The functions run once per statement and append the tags of the old and the new rows. Beyond 32 rows, or 64 event
-- types and jobs, they append the table's bulk tag instead.
CREATE FUNCTION cache_jobs_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text[];
    rows_changed integer;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        SELECT array_agg('jobs:status:' || status) || ARRAY['jobs:counts', 'jobs:bulk'] INTO touched
        FROM unnest(ARRAY[:job_statuses]) AS status;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT 'jobs:status:' || status) || ARRAY['jobs:counts'] INTO touched
        FROM new_rows HAVING count(*) > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(DISTINCT 'jobs:status:' || status) INTO touched
        FROM (SELECT status FROM old_rows UNION ALL SELECT status FROM new_rows) AS both_rows HAVING count(*) > 0;
        IF cardinality(touched) > 1 THEN
            touched := touched || ARRAY['jobs:counts'];
        END IF;
    ELSE
        SELECT array_agg(DISTINCT 'jobs:status:' || status) || ARRAY['jobs:counts'] INTO touched
        FROM old_rows HAVING count(*) > 0;
    END IF;
    IF touched IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        SELECT count(*) INTO rows_changed FROM (SELECT 1 FROM old_rows LIMIT 33) AS some_rows;
        IF rows_changed > 32 THEN
            touched := touched || ARRAY['jobs:bulk'];
        ELSE
            touched := touched || ARRAY(SELECT 'job:' || replace(id::text, '-', '') FROM old_rows);
        END IF;
    END IF;
    INSERT INTO cache_outbox (tags) VALUES (touched || ARRAY['jobs']);
    RETURN NULL;
END $$;

CREATE FUNCTION cache_events_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        touched := ARRAY['events:bulk'];
    ELSIF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT 'events:type:' || type)
            || array_agg(DISTINCT 'events:job:' || replace(job_id::text, '-', '')) FILTER (WHERE job_id IS NOT NULL)
        INTO touched FROM new_rows HAVING count(*) > 0;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(DISTINCT 'events:type:' || type)
            || array_agg(DISTINCT 'events:job:' || replace(job_id::text, '-', '')) FILTER (WHERE job_id IS NOT NULL)
        INTO touched
        FROM (SELECT type, job_id FROM old_rows UNION ALL SELECT type, job_id FROM new_rows) AS both_rows
        HAVING count(*) > 0;
    ELSE
        SELECT array_agg(DISTINCT 'events:type:' || type)
            || array_agg(DISTINCT 'events:job:' || replace(job_id::text, '-', '')) FILTER (WHERE job_id IS NOT NULL)
        INTO touched FROM old_rows HAVING count(*) > 0;
    END IF;
    IF touched IS NULL THEN
        RETURN NULL;
    END IF;
    IF cardinality(touched) > 64 THEN
        touched := ARRAY['events:bulk'];
    END IF;
    INSERT INTO cache_outbox (tags) VALUES (touched || ARRAY['events']);
    RETURN NULL;
END $$;

-- Tasks and users: the tag of the table is its name, that of a row begins with the singular.
CREATE FUNCTION cache_rows_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched text[] := ARRAY[TG_TABLE_NAME::text];
    singular text := rtrim(TG_TABLE_NAME, 's') || ':';
    rows_changed integer := 0;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        rows_changed := 33;
    ELSIF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT 1 FROM new_rows) THEN
            RETURN NULL;
        END IF;
    ELSE
        SELECT count(*) INTO rows_changed FROM (SELECT 1 FROM old_rows LIMIT 33) AS some_rows;
        IF rows_changed = 0 THEN
            RETURN NULL;
        END IF;
    END IF;
    IF rows_changed > 32 THEN
        touched := touched || (TG_TABLE_NAME || ':bulk');
    ELSIF rows_changed > 0 THEN
        touched := touched || ARRAY(SELECT singular || replace(id::text, '-', '') FROM old_rows);
    END IF;
    INSERT INTO cache_outbox (tags) VALUES (touched);
    RETURN NULL;
END $$;

CREATE TRIGGER cache_jobs_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_jobs_changed();
CREATE TRIGGER cache_jobs_update AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_jobs_changed();
CREATE TRIGGER cache_jobs_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_jobs_changed();
CREATE TRIGGER cache_jobs_truncate AFTER TRUNCATE ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION cache_jobs_changed();

CREATE TRIGGER cache_events_insert AFTER INSERT ON events REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_events_changed();
CREATE TRIGGER cache_events_update AFTER UPDATE ON events REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_events_changed();
CREATE TRIGGER cache_events_delete AFTER DELETE ON events REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_events_changed();
CREATE TRIGGER cache_events_truncate AFTER TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION cache_events_changed();

CREATE TRIGGER cache_tasks_insert AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_tasks_update AFTER UPDATE ON tasks REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_tasks_delete AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_tasks_truncate AFTER TRUNCATE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();

CREATE TRIGGER cache_users_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_users_update AFTER UPDATE ON users REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_users_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();
CREATE TRIGGER cache_users_truncate AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION cache_rows_changed();

-- On a connection that asks for it (kyros.notices) a notice replaces the row: the client gets the tags with the response to
-- its statement and need not read the outbox before COMMIT. This holds only for rows that another trigger appends, in a
-- transaction that the commit hook will end: such transactions are DEFERRABLE.
CREATE FUNCTION cache_outbox_notice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- INFO is the only level that no setting suppresses.
    RAISE INFO USING MESSAGE = 'kyros.invalidated',
        DETAIL = json_build_object('transaction', NEW.transaction::text, 'tags', NEW.tags)::text;
    RETURN NULL;
END $$;

CREATE TRIGGER cache_outbox_notice BEFORE INSERT ON cache_outbox FOR EACH ROW
    WHEN (
        pg_trigger_depth() > 0
        AND current_setting('transaction_deferrable') = 'on'
        AND current_setting('kyros.notices', true) = 'on'
    )
    EXECUTE FUNCTION cache_outbox_notice();
