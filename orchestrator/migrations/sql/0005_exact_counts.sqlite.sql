-- Exact row counts (docs/exact-counts.md). SQLite has one writer at a time, so each count is one row that the triggers
-- update. The triggers insert the row of a status before its first update. They use no upsert, because an upsert in a
-- trigger obeys the conflict clause of the statement that fired it.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS row_counts (
    table_name text NOT NULL,
    status text NOT NULL, -- '' for tables without a status
    rows integer NOT NULL,
    PRIMARY KEY (table_name, status)
) WITHOUT ROWID;

DELETE FROM row_counts;
INSERT INTO row_counts (table_name, status, rows)
    SELECT 'jobs', status, count(*) FROM jobs GROUP BY status
    UNION ALL SELECT 'events', '', count(*) FROM events
    UNION ALL SELECT 'tasks', '', count(*) FROM tasks
    UNION ALL SELECT 'users', '', count(*) FROM users;

CREATE TRIGGER IF NOT EXISTS count_jobs_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO row_counts (table_name, status, rows) SELECT 'jobs', NEW.status, 0
        WHERE NOT EXISTS (SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status);
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'jobs' AND status = NEW.status;
END;

CREATE TRIGGER IF NOT EXISTS count_jobs_update AFTER UPDATE OF status ON jobs WHEN OLD.status <> NEW.status BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'jobs' AND status = OLD.status;
    INSERT INTO row_counts (table_name, status, rows) SELECT 'jobs', NEW.status, 0
        WHERE NOT EXISTS (SELECT 1 FROM row_counts WHERE table_name = 'jobs' AND status = NEW.status);
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'jobs' AND status = NEW.status;
END;

CREATE TRIGGER IF NOT EXISTS count_jobs_delete AFTER DELETE ON jobs BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'jobs' AND status = OLD.status;
END;

CREATE TRIGGER IF NOT EXISTS count_events_insert AFTER INSERT ON events BEGIN
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'events' AND status = '';
END;

CREATE TRIGGER IF NOT EXISTS count_events_delete AFTER DELETE ON events BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'events' AND status = '';
END;

CREATE TRIGGER IF NOT EXISTS count_tasks_insert AFTER INSERT ON tasks BEGIN
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'tasks' AND status = '';
END;

CREATE TRIGGER IF NOT EXISTS count_tasks_delete AFTER DELETE ON tasks BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'tasks' AND status = '';
END;

CREATE TRIGGER IF NOT EXISTS count_users_insert AFTER INSERT ON users BEGIN
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'users' AND status = '';
END;

CREATE TRIGGER IF NOT EXISTS count_users_delete AFTER DELETE ON users BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'users' AND status = '';
END;

COMMIT;
