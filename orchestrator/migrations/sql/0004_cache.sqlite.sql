-- The outbox of cache invalidations, and the triggers that fill it (docs/coherent-cache.md).
-- A tag that the outbox already has is not appended again. Once it has 64 rows, the triggers append a table's bulk tag
-- instead of the tags of single rows; after that the triggers of events have nothing to add.

CREATE TABLE cache_outbox (
    id integer PRIMARY KEY AUTOINCREMENT,
    tags text NOT NULL,
    created_at text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
);

-- Used by the triggers, which check for every changed row whether the outbox already has its tags.
CREATE INDEX ix_cache_outbox_tags ON cache_outbox (tags);

CREATE TRIGGER cache_jobs_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('jobs'),
        ('jobs:counts'),
        ('jobs:status:' || NEW.status)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_jobs_update AFTER UPDATE ON jobs BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('jobs'),
        (CASE WHEN OLD.status <> NEW.status THEN 'jobs:counts' END),
        ('jobs:status:' || OLD.status),
        (CASE WHEN OLD.status <> NEW.status THEN 'jobs:status:' || NEW.status END),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'job:' || OLD.id ELSE 'jobs:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_jobs_delete AFTER DELETE ON jobs BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('jobs'),
        ('jobs:counts'),
        ('jobs:status:' || OLD.status),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'job:' || OLD.id ELSE 'jobs:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_events_insert AFTER INSERT ON events
WHEN NOT EXISTS (SELECT 1 FROM cache_outbox WHERE tags = 'events:bulk') BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('events'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:type:' || NEW.type ELSE 'events:bulk' END),
        (CASE WHEN NEW.job_id IS NULL THEN NULL
              WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:job:' || NEW.job_id ELSE 'events:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_events_update AFTER UPDATE ON events
WHEN NOT EXISTS (SELECT 1 FROM cache_outbox WHERE tags = 'events:bulk') BEGIN
    INSERT INTO cache_outbox (tags) SELECT DISTINCT column1 FROM (VALUES
        ('events'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:type:' || OLD.type ELSE 'events:bulk' END),
        (CASE WHEN OLD.job_id IS NULL THEN NULL
              WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:job:' || OLD.job_id ELSE 'events:bulk' END),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:type:' || NEW.type ELSE 'events:bulk' END),
        (CASE WHEN NEW.job_id IS NULL THEN NULL
              WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:job:' || NEW.job_id ELSE 'events:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_events_delete AFTER DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM cache_outbox WHERE tags = 'events:bulk') BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('events'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:type:' || OLD.type ELSE 'events:bulk' END),
        (CASE WHEN OLD.job_id IS NULL THEN NULL
              WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'events:job:' || OLD.job_id ELSE 'events:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_tasks_insert AFTER INSERT ON tasks BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('tasks')
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_tasks_update AFTER UPDATE ON tasks BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('tasks'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'task:' || OLD.id ELSE 'tasks:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_tasks_delete AFTER DELETE ON tasks BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('tasks'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'task:' || OLD.id ELSE 'tasks:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_users_insert AFTER INSERT ON users BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('users')
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_users_update AFTER UPDATE ON users BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('users'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'user:' || OLD.id ELSE 'users:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;

CREATE TRIGGER cache_users_delete AFTER DELETE ON users BEGIN
    INSERT INTO cache_outbox (tags) SELECT column1 FROM (VALUES
        ('users'),
        (CASE WHEN (SELECT count(*) FROM cache_outbox) < 64 THEN 'user:' || OLD.id ELSE 'users:bulk' END)
    ) WHERE column1 IS NOT NULL AND column1 NOT IN (SELECT tags FROM cache_outbox);
END;
