DROP FUNCTION IF EXISTS claim_jobs(text, text[], integer, interval, integer, integer, uuid[], text, jsonb);
DROP FUNCTION IF EXISTS promote_jobs(timestamptz, text[], integer, integer);
