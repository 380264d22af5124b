-- Jobs are counted by status and queue (docs/exact-counts.md). Every statement here can run again.

-- No fold may be running: it would put rows of two queues together.
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('row_counts', 0));
-- The last column, so that an INSERT without it still works: the triggers of the other tables have no queue.
ALTER TABLE row_counts ADD COLUMN IF NOT EXISTS queue text NOT NULL DEFAULT ''; -- '' for tables without a queue
CREATE OR REPLACE FUNCTION fold_counts() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    folded bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('row_counts', 0)) THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM row_counts RETURNING table_name, status, rows, queue
    ), summed AS (
        INSERT INTO row_counts (table_name, status, rows, queue)
        SELECT table_name, status, sum(rows), queue FROM taken
        GROUP BY table_name, status, queue HAVING sum(rows) <> 0
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
    INSERT INTO row_counts (table_name, status, rows, queue)
    SELECT table_name, status, -sum(rows), queue FROM row_counts WHERE table_name = TG_TABLE_NAME
    GROUP BY table_name, status, queue HAVING sum(rows) <> 0;
    RETURN NULL;
END $$;
COMMIT;

-- The lock waits for every transaction that has counted without the queue. Later ones count with it.
BEGIN;
LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE;
CREATE OR REPLACE FUNCTION count_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO row_counts (table_name, status, rows, queue)
        SELECT 'jobs', status, count(*), queue FROM new_rows GROUP BY status, queue;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO row_counts (table_name, status, rows, queue)
        SELECT 'jobs', status, sum(change), queue FROM (
            SELECT status, queue, -1 AS change FROM old_rows UNION ALL SELECT status, queue, 1 FROM new_rows
        ) AS changes GROUP BY status, queue HAVING sum(change) <> 0;
    ELSE
        INSERT INTO row_counts (table_name, status, rows, queue)
        SELECT 'jobs', status, -count(*), queue FROM old_rows GROUP BY status, queue;
    END IF;
    RETURN NULL;
END $$;
COMMIT;

-- Existing jobs, minus what the same snapshot shows as counted: exact whatever is written meanwhile, and no writer
-- waits.
BEGIN;
INSERT INTO row_counts (table_name, status, rows, queue)
SELECT 'jobs', status, sum(change), queue FROM (
    SELECT status, queue, count(*) AS change FROM jobs GROUP BY status, queue
    UNION ALL SELECT status, queue, -rows FROM row_counts WHERE table_name = 'jobs'
) AS changes GROUP BY status, queue HAVING sum(change) <> 0;
COMMIT;
