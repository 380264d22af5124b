-- Jobs are counted by status and queue (docs/exact-counts.md). SQLite cannot change a primary key, so the table is
-- created again. Writers wait while the jobs are counted.
BEGIN IMMEDIATE;

DROP TRIGGER IF EXISTS count_jobs_insert;
DROP TRIGGER IF EXISTS count_jobs_update;
DROP TRIGGER IF EXISTS count_jobs_delete;

DROP TABLE IF EXISTS other_counts;
CREATE TABLE other_counts AS SELECT table_name, status, rows FROM row_counts WHERE table_name <> 'jobs';
DROP TABLE row_counts;
CREATE TABLE row_counts (
    table_name text NOT NULL,
    status text NOT NULL, -- '' for tables without a status
    rows integer NOT NULL,
    queue text NOT NULL DEFAULT '', -- '' for tables without a queue
    PRIMARY KEY (table_name, status, queue)
) WITHOUT ROWID;
INSERT INTO row_counts (table_name, status, rows) SELECT table_name, status, rows FROM other_counts;
INSERT INTO row_counts (table_name, status, rows, queue)
    SELECT 'jobs', status, count(*), queue FROM jobs GROUP BY status, queue;
DROP TABLE other_counts;

CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO row_counts (table_name, status, rows, queue) SELECT 'jobs', NEW.status, 0, NEW.queue
        WHERE NOT EXISTS (
            SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status AND queue = NEW.queue
        );
    UPDATE row_counts SET rows = rows + 1
        WHERE table_name = 'jobs' AND status = NEW.status AND queue = NEW.queue;
END;

CREATE TRIGGER count_jobs_update AFTER UPDATE OF status, queue ON jobs
WHEN OLD.status <> NEW.status OR OLD.queue <> NEW.queue BEGIN
    UPDATE row_counts SET rows = rows - 1
        WHERE table_name = 'jobs' AND status = OLD.status AND queue = OLD.queue;
    INSERT INTO row_counts (table_name, status, rows, queue) SELECT 'jobs', NEW.status, 0, NEW.queue
        WHERE NOT EXISTS (
            SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status AND queue = NEW.queue
        );
    UPDATE row_counts SET rows = rows + 1
        WHERE table_name = 'jobs' AND status = NEW.status AND queue = NEW.queue;
END;

CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs BEGIN
    UPDATE row_counts SET rows = rows - 1
        WHERE table_name = 'jobs' AND status = OLD.status AND queue = OLD.queue;
END;

COMMIT;
