-- Each job, event and task {times} times; see benchmarks/scaling.py. A "step" is the time from one copy of a
-- row to the next, in microseconds: together they reach from the original to the row after it.
CREATE TEMP TABLE copies AS
    WITH RECURSIVE numbers (copy) AS (SELECT 0 UNION ALL SELECT copy + 1 FROM numbers WHERE copy + 1 < {times})
    SELECT copy FROM numbers;

CREATE TEMP TABLE old_jobs AS
    SELECT *, coalesce(lead(created) OVER age - created, 1000000) / {times} AS step
    FROM (
        SELECT *, microseconds(created_at) AS created, microseconds(updated_at) AS updated,
            microseconds(started_at) AS started, microseconds(completed_at) AS completed,
            microseconds(lease_expires_at) AS expires
        FROM jobs
    ) WINDOW age AS (ORDER BY created, id) ORDER BY created, id;
CREATE INDEX temp.ix_old_jobs ON old_jobs (id);

CREATE TEMP TABLE old_tasks AS
    SELECT *, coalesce(lead(created) OVER age - created, 1000000) / {times} AS step
    FROM (SELECT *, microseconds(created_at) AS created, microseconds(updated_at) AS updated FROM tasks)
    WINDOW age AS (ORDER BY created, id) ORDER BY created, id;

CREATE TEMP TABLE old_events AS
    SELECT
        happened.*, coalesce(old_jobs.created, happened.created) AS job_created,
        coalesce(old_jobs.step, lead(happened.created) OVER age - happened.created, 1000000) AS step
    FROM (SELECT *, microseconds(created_at) AS created FROM events) AS happened
    LEFT JOIN old_jobs ON old_jobs.id = happened.job_id
    WINDOW age AS (ORDER BY happened.created, happened.id) ORDER BY happened.created, happened.id;

DELETE FROM jobs;
DELETE FROM tasks;
DELETE FROM events;

-- CROSS JOIN keeps the order of the tables: the copies of a row follow one another, in order of age.
-- A version 7 UUID of its own time keeps its random end; the copy's number stands where a finer time may.
INSERT INTO jobs (
    id, name, description, status, priority, metadata, created_at, updated_at, started_at, completed_at,
    attempts, max_attempts, worker, lease_token, lease_expires_at
)
SELECT
    printf('%012x7%03x', (created + step * copy) / 1000, copy) || substr(id, 17), name, description, status,
    priority, metadata, {created}, {updated}, {started}, {completed},
    attempts, max_attempts, worker, lease_token, {expires}
FROM old_jobs CROSS JOIN copies;

INSERT INTO tasks (id, title, description, version, created_at, updated_at)
SELECT
    printf('%012x7%03x', (created + step * copy) / 1000, copy) || substr(id, 17), title, description, version,
    {created}, {updated}
FROM old_tasks CROSS JOIN copies;

INSERT INTO events (id, type, payload, created_at, job_id)
SELECT id, type,
    CASE WHEN job_id IS NULL THEN payload ELSE json_set(payload, '$.job_id', substr(job_id, 1, 8) || '-' ||
        substr(job_id, 9, 4) || '-' || substr(job_id, 13, 4) || '-' || substr(job_id, 17, 4) || '-' ||
        substr(job_id, 21)) END,
    created_at, job_id
FROM (
    SELECT
        printf('%012x7%03x', (created + step * copy) / 1000, copy) || substr(id, 17) AS id, type, payload,
        {created} AS created_at,
        printf('%012x7%03x', (job_created + step * copy) / 1000, copy) || substr(job_id, 17) AS job_id
    FROM old_events CROSS JOIN copies WHERE copy % {histories} = 0
);

DROP TABLE old_jobs;
DROP TABLE old_tasks;
DROP TABLE old_events;
DROP TABLE copies;
