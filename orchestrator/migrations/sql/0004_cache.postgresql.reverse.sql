DROP FUNCTION cache_jobs_changed() CASCADE;
DROP FUNCTION cache_events_changed() CASCADE;
DROP FUNCTION cache_rows_changed() CASCADE;
DROP TABLE cache_outbox;
DROP FUNCTION cache_outbox_notice();
