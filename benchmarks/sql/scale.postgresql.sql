-- Replaces each job, event and task by {factor} copies; see benchmarks/scaling.py. "step" is the time from one copy
-- of a row to the next; all steps together reach from the original row to the row after it.
CREATE TEMP TABLE old_jobs AS
    SELECT *, (coalesce(lead(created_at) OVER by_time - created_at, '1 s')) / {factor} AS step
    FROM jobs WINDOW by_time AS (ORDER BY created_at, id) ORDER BY created_at, id;

CREATE TEMP TABLE old_tasks AS
    SELECT *, (coalesce(lead(created_at) OVER by_time - created_at, '1 s')) / {factor} AS step
    FROM tasks WINDOW by_time AS (ORDER BY created_at, id) ORDER BY created_at, id;

CREATE TEMP TABLE old_events AS
    SELECT
        events.*, coalesce(old_jobs.created_at, events.created_at) AS job_at,
        coalesce(old_jobs.step, lead(events.created_at) OVER by_time - events.created_at, '1 s') AS step
    FROM events LEFT JOIN old_jobs ON old_jobs.id = events.job_id
    WINDOW by_time AS (ORDER BY events.created_at, events.id) ORDER BY events.created_at, events.id;

TRUNCATE jobs, tasks, events;

-- A copy's UUIDv7 holds its own time and the random end of the original; the copy's number takes the twelve bits
-- in which a UUIDv7 may hold fractions of a millisecond.
CREATE FUNCTION pg_temp.copied_id(id uuid, at timestamptz, copy integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(copy), 3, '0')
            || right(replace(id::text, '-', ''), 16))::uuid
$$;

-- LATERAL with a series that depends on the row writes the copies of a row one after the other, in order of time.
INSERT INTO jobs (id, {job_columns})
SELECT pg_temp.copied_id(id, created_at + step * copy, copy), {job_values}
FROM old_jobs CROSS JOIN LATERAL generate_series(0, {factor} - 1 + 0 * attempts) AS copy;

INSERT INTO tasks (id, {task_columns})
SELECT pg_temp.copied_id(id, created_at + step * copy, copy), {task_values}
FROM old_tasks CROSS JOIN LATERAL generate_series(0, {factor} - 1 + 0 * version) AS copy;

INSERT INTO events (id, type, payload, created_at, job_id)
SELECT
    pg_temp.copied_id(id, created_at + step * copy, copy), type,
    CASE WHEN job_id IS NULL THEN payload ELSE
        replace(payload::text, job_id::text, pg_temp.copied_id(job_id, job_at + step * copy, copy)::text)::json END,
    created_at + step * copy, pg_temp.copied_id(job_id, job_at + step * copy, copy)
FROM old_events CROSS JOIN LATERAL generate_series(0, {factor} - 1 + 0 * length(type), {copies_per_history}) AS copy;

DROP TABLE old_jobs, old_tasks, old_events;
