-- Replaces each job, event and task by {factor} copies; see benchmarks/scaling.py. "step" is the time from one copy
-- of a row to the next, in microseconds; all steps together reach from the original row to the row after it.
CREATE TEMP TABLE copies AS
    WITH RECURSIVE numbers (copy) AS (SELECT 0 UNION ALL SELECT copy + 1 FROM numbers WHERE copy + 1 < {factor})
    SELECT copy FROM numbers;

CREATE TEMP TABLE old_jobs AS
    SELECT *, coalesce(lead(created_at_us) OVER by_time - created_at_us, 1000000) / {factor} AS step
    FROM (SELECT *, {job_microseconds} FROM jobs)
    WINDOW by_time AS (ORDER BY created_at_us, id) ORDER BY created_at_us, id;
CREATE INDEX temp.ix_old_jobs ON old_jobs (id);

CREATE TEMP TABLE old_tasks AS
    SELECT *, coalesce(lead(created_at_us) OVER by_time - created_at_us, 1000000) / {factor} AS step
    FROM (SELECT *, {task_microseconds} FROM tasks)
    WINDOW by_time AS (ORDER BY created_at_us, id) ORDER BY created_at_us, id;

CREATE TEMP TABLE old_events AS
    SELECT
        timed.*, coalesce(old_jobs.created_at_us, timed.created_at_us) AS job_created_at_us,
        coalesce(old_jobs.step, lead(timed.created_at_us) OVER by_time - timed.created_at_us, 1000000) AS step
    FROM (SELECT *, microseconds(created_at) AS created_at_us FROM events) AS timed
    LEFT JOIN old_jobs ON old_jobs.id = timed.job_id
    WINDOW by_time AS (ORDER BY timed.created_at_us, timed.id) ORDER BY timed.created_at_us, timed.id;

DELETE FROM jobs;
DELETE FROM tasks;
DELETE FROM events;

-- CROSS JOIN keeps the order of the tables, so the copies of a row are written one after the other, in order of time.
-- A copy's UUIDv7 holds its own time and the random end of the original; the copy's number takes the twelve bits
-- in which a UUIDv7 may hold fractions of a millisecond.
INSERT INTO jobs (id, {job_columns})
SELECT printf('%012x7%03x', (created_at_us + step * copy) / 1000, copy) || substr(id, 17), {job_values}
FROM old_jobs CROSS JOIN copies;

INSERT INTO tasks (id, {task_columns})
SELECT printf('%012x7%03x', (created_at_us + step * copy) / 1000, copy) || substr(id, 17), {task_values}
FROM old_tasks CROSS JOIN copies;

INSERT INTO events (id, type, payload, created_at, job_id)
SELECT id, type,
    CASE WHEN job_id IS NULL THEN payload ELSE json_set(payload, '$.job_id', substr(job_id, 1, 8) || '-' ||
        substr(job_id, 9, 4) || '-' || substr(job_id, 13, 4) || '-' || substr(job_id, 17, 4) || '-' ||
        substr(job_id, 21)) END,
    created_at, job_id
FROM (
    SELECT
        printf('%012x7%03x', (created_at_us + step * copy) / 1000, copy) || substr(id, 17) AS id, type, payload,
        {event_created_at} AS created_at,
        printf('%012x7%03x', (job_created_at_us + step * copy) / 1000, copy) || substr(job_id, 17) AS job_id
    FROM old_events CROSS JOIN copies WHERE copy % {copies_per_history} = 0
);

DROP TABLE old_jobs;
DROP TABLE old_tasks;
DROP TABLE old_events;
DROP TABLE copies;
