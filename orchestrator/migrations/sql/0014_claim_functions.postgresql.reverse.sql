DROP FUNCTION IF EXISTS claim_jobs(text, text[], integer, integer, interval, uuid[], text, jsonb);
DROP FUNCTION IF EXISTS promote_jobs(timestamptz, integer);
