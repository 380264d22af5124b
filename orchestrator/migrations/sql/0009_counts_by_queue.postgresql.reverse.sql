BEGIN;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
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
COMMIT;

BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('row_counts', 0));
-- The sums by status stay right: a status's rows are added up whatever their queue was.
ALTER TABLE row_counts DROP COLUMN IF EXISTS queue;
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
COMMIT;
