-- Statistics of the durations: of a partial index PostgreSQL makes none that it uses, and would believe jobs of each
-- to be as many as of any other.
CREATE STATISTICS IF NOT EXISTS st_jobs_waited
    ON (length(trunc(extract(epoch FROM (started_at - created_at)))::bigint::text)) FROM jobs;
CREATE STATISTICS IF NOT EXISTS st_jobs_took
    ON (length(trunc(extract(epoch FROM (completed_at - created_at)))::bigint::text)) FROM jobs;
