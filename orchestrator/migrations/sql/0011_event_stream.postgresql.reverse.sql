DROP TABLE IF EXISTS stream_tickets;
ALTER TABLE events DROP COLUMN IF EXISTS transaction;
