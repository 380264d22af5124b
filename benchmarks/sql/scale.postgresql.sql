-- Each job, event and task {times} times; see benchmarks/scaling.py. A "step" is the time from one copy of a
-- row to the next: together they reach from the original to the row after it.
CREATE TEMP TABLE old_jobs AS
    SELECT *, (coalesce(lead(created_at) OVER age - created_at, '1 s')) / {times} AS step
    FROM jobs WINDOW age AS (ORDER BY created_at, id) ORDER BY created_at, id;

CREATE TEMP TABLE old_tasks AS
    SELECT *, (coalesce(lead(created_at) OVER age - created_at, '1 s')) / {times} AS step
    FROM tasks WINDOW age AS (ORDER BY created_at, id) ORDER BY created_at, id;

CREATE TEMP TABLE old_events AS
    SELECT
        events.*, coalesce(old_jobs.created_at, events.created_at) AS job_at,
        coalesce(old_jobs.step, lead(events.created_at) OVER age - events.created_at, '1 s') AS step
    FROM events LEFT JOIN old_jobs ON old_jobs.id = events.job_id
    WINDOW age AS (ORDER BY events.created_at, events.id) ORDER BY events.created_at, events.id;

TRUNCATE jobs, tasks, events;

-- A version 7 UUID of its own time keeps its random end; the copy's number stands where a finer time may.
CREATE FUNCTION pg_temp.copied_id(id uuid, at timestamptz, copy integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(copy), 3, '0')
            || right(replace(id::text, '-', ''), 16))::uuid
$$;

-- LATERAL, and a series that depends on the row: so the copies of a row follow one another, in order of age.
INSERT INTO jobs (
    id, name, description, status, priority, metadata, created_at, updated_at, started_at, completed_at,
    attempts, max_attempts, worker, lease_token, lease_expires_at
)
SELECT
    pg_temp.copied_id(id, created_at + step * copy, copy), name, description, status, priority, metadata,
    created_at + step * copy, updated_at + step * copy, started_at + step * copy, completed_at + step * copy,
    attempts, max_attempts, worker, lease_token, lease_expires_at + step * copy
FROM old_jobs CROSS JOIN LATERAL generate_series(0, {times} - 1 + 0 * attempts) AS copy;

INSERT INTO tasks (id, title, description, version, created_at, updated_at)
SELECT
    pg_temp.copied_id(id, created_at + step * copy, copy), title, description, version,
    created_at + step * copy, updated_at + step * copy
FROM old_tasks CROSS JOIN LATERAL generate_series(0, {times} - 1 + 0 * version) AS copy;

INSERT INTO events (id, type, payload, created_at, job_id)
SELECT
    pg_temp.copied_id(id, created_at + step * copy, copy), type,
    CASE WHEN job_id IS NULL THEN payload ELSE
        jsonb_set(payload, '{{job_id}}', to_jsonb(pg_temp.copied_id(job_id, job_at + step * copy, copy)::text)) END,
    created_at + step * copy, pg_temp.copied_id(job_id, job_at + step * copy, copy)
FROM old_events CROSS JOIN LATERAL generate_series(0, {times} - 1 + 0 * length(type), {histories}) AS copy;

DROP TABLE old_jobs, old_tasks, old_events;
