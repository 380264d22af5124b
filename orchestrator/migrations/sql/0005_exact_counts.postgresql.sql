-- Exact row counts (docs/exact-counts.md). The count of a table, or of its jobs with one status, is the sum of its
-- rows in row_counts. Each writing statement appends the number of rows that it added or removed, so writers never
-- wait for one another. Every statement here can run again: the migration is not one transaction and may have
-- stopped half-way.

-- No primary key: its index would have to be maintained, and several writers append rows with the same values.
CREATE TABLE IF NOT EXISTS row_counts (
    table_name text NOT NULL,
    status text NOT NULL, -- '' for tables without a status
    rows bigint NOT NULL
);
-- The rows live for seconds, so vacuum depends on their number. The folding process truncates the file: it can wait.
ALTER TABLE row_counts SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, vacuum_truncate = off
);

-- Replaces all rows by their sums; returns how many rows it replaced. Readers see either the rows or their sums, never
-- both. If a fold is already running, a second one does nothing.
CREATE OR REPLACE FUNCTION fold_counts() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('row_counts', 0)) THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM row_counts RETURNING table_name, status, rows
    ), summed AS (
        INSERT INTO row_counts
        SELECT table_name, status, sum(rows) FROM taken GROUP BY table_name, status HAVING sum(rows) <> 0
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$;

CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO row_counts SELECT 'jobs', status, count(*) FROM new_rows GROUP BY status;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO row_counts SELECT 'jobs', status, sum(change) FROM (
            SELECT status, -1 AS change FROM old_rows UNION ALL SELECT status, 1 FROM new_rows
        ) AS changes GROUP BY status HAVING sum(change) <> 0;
    ELSE
        INSERT INTO row_counts SELECT 'jobs', status, -count(*) FROM old_rows GROUP BY status;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO row_counts SELECT TG_TABLE_NAME, '', count(*) FROM new_rows HAVING count(*) > 0;
    ELSE
        INSERT INTO row_counts SELECT TG_TABLE_NAME, '', -count(*) FROM old_rows HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END $$;

-- TRUNCATE has waited for every writer of the table, but a snapshot that is older would not include their rows.
CREATE OR REPLACE FUNCTION count_none() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'TRUNCATE of % needs the isolation level READ COMMITTED, or its rows are miscounted',
            TG_TABLE_NAME USING ERRCODE = 'active_sql_transaction';
    END IF;
    INSERT INTO row_counts
    SELECT table_name, status, -sum(rows) FROM row_counts WHERE table_name = TG_TABLE_NAME
    GROUP BY table_name, status HAVING sum(rows) <> 0;
    RETURN NULL;
END $$;

-- Each table gets its own transaction. Its writers wait only briefly, and because no two tables are locked at once,
-- there can be no deadlock.
BEGIN;
CREATE OR REPLACE TRIGGER count_jobs_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE OR REPLACE TRIGGER count_jobs_update AFTER UPDATE ON jobs
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE OR REPLACE TRIGGER count_jobs_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_jobs();
CREATE OR REPLACE TRIGGER count_jobs_truncate AFTER TRUNCATE ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_none();
COMMIT;
BEGIN;
CREATE OR REPLACE TRIGGER count_events_insert AFTER INSERT ON events REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_events_delete AFTER DELETE ON events REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_events_truncate AFTER TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION count_none();
COMMIT;
BEGIN;
CREATE OR REPLACE TRIGGER count_tasks_insert AFTER INSERT ON tasks REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_tasks_delete AFTER DELETE ON tasks REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_tasks_truncate AFTER TRUNCATE ON tasks
    FOR EACH STATEMENT EXECUTE FUNCTION count_none();
COMMIT;
BEGIN;
CREATE OR REPLACE TRIGGER count_users_insert AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_users_delete AFTER DELETE ON users REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
CREATE OR REPLACE TRIGGER count_users_truncate AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION count_none();
COMMIT;

-- Rows from before the triggers: the rows that a snapshot shows, minus those that it shows as counted. It is one
-- statement, so the result is exact whatever is written meanwhile, and no writer waits while ten million rows are
-- counted.
BEGIN;
INSERT INTO row_counts
SELECT table_name, status, sum(change) FROM (
    SELECT 'jobs' AS table_name, status, count(*) AS change FROM jobs GROUP BY status
    UNION ALL SELECT 'events', '', count(*) FROM events
    UNION ALL SELECT 'tasks', '', count(*) FROM tasks
    UNION ALL SELECT 'users', '', count(*) FROM users
    UNION ALL SELECT table_name, status, -rows FROM row_counts
) AS changes GROUP BY table_name, status HAVING sum(change) <> 0;
COMMIT;
