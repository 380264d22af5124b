BEGIN IMMEDIATE;

DROP TRIGGER IF EXISTS count_jobs_insert;
DROP TRIGGER IF EXISTS count_jobs_update;
DROP TRIGGER IF EXISTS count_jobs_delete;

DROP TABLE IF EXISTS sums;
CREATE TABLE sums AS SELECT table_name, status, sum(rows) AS rows FROM row_counts GROUP BY table_name, status;
DROP TABLE row_counts;
CREATE TABLE row_counts (
    table_name text NOT NULL,
    status text NOT NULL, -- '' for tables without a status
    rows integer NOT NULL,
    PRIMARY KEY (table_name, status)
) WITHOUT ROWID;
INSERT INTO row_counts (table_name, status, rows) SELECT table_name, status, rows FROM sums;
DROP TABLE sums;

CREATE TRIGGER count_jobs_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO row_counts (table_name, status, rows) SELECT 'jobs', NEW.status, 0
        WHERE NOT EXISTS (SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status);
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'jobs' AND status = NEW.status;
END;

CREATE TRIGGER count_jobs_update AFTER UPDATE OF status ON jobs WHEN OLD.status <> NEW.status BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'jobs' AND status = OLD.status;
    INSERT INTO row_counts (table_name, status, rows) SELECT 'jobs', NEW.status, 0
        WHERE NOT EXISTS (SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status);
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'jobs' AND status = NEW.status;
END;

CREATE TRIGGER count_jobs_delete AFTER DELETE ON jobs BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'jobs' AND status = OLD.status;
END;

COMMIT;
