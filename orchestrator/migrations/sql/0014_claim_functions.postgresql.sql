-- Claims and promotions of jobs as functions: one round trip, and plans that the session keeps (docs/leases.md). Their
-- queries are those of orchestrator/leases/queue_order.py; a test compares them.
--
-- The statistics may not know of a million new jobs yet, so the planner must not believe that it can sort or read them all.

-- Of the jobs that have waited longest since their time came, at most max_compared, those become due that a claim of the
-- wanted queues (NULL: of all) would take first.
CREATE FUNCTION promote_jobs(
    now_at timestamptz, wanted_queues text[], max_promoted integer, max_compared integer
) RETURNS integer LANGUAGE plpgsql
SET enable_sort = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    promoted integer;
BEGIN
    UPDATE jobs SET due = true WHERE id = ANY (ARRAY(
        SELECT id FROM jobs
        -- PostgreSQL checks these conditions again on a row that has changed before it was locked.
        WHERE NOT due AND NOT (status IN ('running', 'completed', 'failed', 'cancelled')) AND available_at <= now_at
            AND id = ANY (ARRAY(
                SELECT id FROM (
                    SELECT id, queue, priority, created_at FROM jobs
                    WHERE NOT due AND NOT (status IN ('running', 'completed', 'failed', 'cancelled'))
                        AND available_at <= now_at
                    ORDER BY available_at LIMIT max_compared
                ) AS waiting
                ORDER BY queue = ANY (wanted_queues) DESC, priority DESC, created_at, id LIMIT max_promoted
            ))
        FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS promoted = ROW_COUNT;
    RETURN promoted;
END $$;

CREATE FUNCTION claim_jobs(
    worker_name text, wanted_queues text[], max_jobs integer, lease interval,
    max_promoted integer, max_compared integer, event_ids uuid[], event_type text, event_payload jsonb
) RETURNS SETOF jobs LANGUAGE plpgsql
SET enable_sort = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    now_at timestamptz := clock_timestamp();
    chosen uuid[] := '{}';
    found_jobs integer := 0;
    share record;
    queue_name text;
BEGIN
    IF EXISTS (
        SELECT FROM jobs
        WHERE NOT due AND NOT (status IN ('running', 'completed', 'failed', 'cancelled')) AND available_at <= now_at
    ) THEN
        PERFORM promote_jobs(now_at, wanted_queues, max_promoted, max_compared);
    END IF;
    IF wanted_queues IS NULL THEN
        chosen := ARRAY(
            SELECT id FROM jobs
            WHERE due AND NOT (status IN ('running', 'completed', 'failed', 'cancelled', '')) AND available_at <= now_at
            ORDER BY priority DESC, created_at, id LIMIT max_jobs
            FOR UPDATE SKIP LOCKED
        );
    ELSE
        -- First without locks: how many of the next jobs each queue has. So no job is locked that is not taken.
        FOR share IN
            SELECT queue, count(*) AS size FROM (
                SELECT of_queue.queue FROM unnest(wanted_queues) AS wanted (name), LATERAL (
                    SELECT queue, priority, created_at, id FROM jobs
                    WHERE queue = wanted.name AND due
                        AND NOT (status IN ('running', 'completed', 'failed', 'cancelled')) AND available_at <= now_at
                    ORDER BY priority DESC, created_at, id LIMIT max_jobs
                ) AS of_queue
                ORDER BY of_queue.priority DESC, of_queue.created_at, of_queue.id LIMIT max_jobs
            ) AS next_jobs GROUP BY queue
        LOOP
            found_jobs := found_jobs + share.size;
            chosen := chosen || ARRAY(
                SELECT id FROM jobs
                WHERE queue = share.queue AND due
                    AND NOT (status IN ('running', 'completed', 'failed', 'cancelled')) AND available_at <= now_at
                ORDER BY priority DESC, created_at, id LIMIT share.size
                FOR UPDATE SKIP LOCKED
            );
        END LOOP;
        -- Where other claims were faster, the rest is taken from any of the queues.
        IF cardinality(chosen) < found_jobs THEN
            FOREACH queue_name IN ARRAY wanted_queues LOOP
                chosen := chosen || ARRAY(
                    SELECT id FROM jobs
                    WHERE queue = queue_name AND due
                        AND NOT (status IN ('running', 'completed', 'failed', 'cancelled')) AND available_at <= now_at
                        AND id <> ALL (chosen)
                    ORDER BY priority DESC, created_at, id LIMIT max_jobs - cardinality(chosen)
                    FOR UPDATE SKIP LOCKED
                );
            END LOOP;
        END IF;
    END IF;
    IF cardinality(chosen) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH started AS (
        UPDATE jobs
        SET status = 'running', started_at = now_at, updated_at = now_at, completed_at = NULL,
            worker = worker_name, lease_token = gen_random_uuid(), lease_expires_at = now_at + lease
        WHERE id = ANY (chosen)
        RETURNING jobs.*
    ), history AS (
        INSERT INTO events (id, type, payload, created_at, job_id)
        SELECT event_ids[row_number() OVER ()], event_type, event_payload || jsonb_build_object(
            'job_id', id, 'attempt', attempts + 1, 'queue', queue, 'progress', progress
        ), now_at, id
        FROM started
    )
    SELECT * FROM started;
END $$;
