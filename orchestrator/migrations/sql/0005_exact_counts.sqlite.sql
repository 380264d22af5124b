-- Exact numbers of rows (docs/adr/0011-exact-counts.md). One transaction writes at a time here, so each number
-- is one row that the triggers change. All rows are there from the start: an upsert in a trigger would obey the
-- conflict clause of the statement that fired it.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS row_counts (
    table_name text NOT NULL,
    status text NOT NULL, -- '' where the table has none
    rows integer NOT NULL,
    PRIMARY KEY (table_name, status)
) WITHOUT ROWID;

INSERT OR IGNORE INTO row_counts (table_name, status, rows) VALUES
    ('jobs', 'pending', 0), ('jobs', 'running', 0), ('jobs', 'completed', 0), ('jobs', 'failed', 0),
    ('jobs', 'cancelled', 0), ('events', '', 0), ('tasks', '', 0), ('users', '', 0);

UPDATE row_counts SET rows = (SELECT count(*) FROM jobs WHERE jobs.status = row_counts.status)
    WHERE table_name = 'jobs';
UPDATE row_counts SET rows = (SELECT count(*) FROM events) WHERE table_name = 'events';
UPDATE row_counts SET rows = (SELECT count(*) FROM tasks) WHERE table_name = 'tasks';
UPDATE row_counts SET rows = (SELECT count(*) FROM users) WHERE table_name = 'users';

CREATE TRIGGER IF NOT EXISTS count_jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE row_counts SET rows = rows + 1 WHERE table_name = 'jobs' AND status = NEW.status;
END;

CREATE TRIGGER IF NOT EXISTS count_jobs_update AFTER UPDATE OF status ON jobs WHEN OLD.status <> NEW.status BEGIN
    UPDATE row_counts SET rows = rows - 1 WHERE table_name = 'jobs' AND status = OLD.status;
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
