-- The order in which the event stream delivers events (docs/adr/0014-event-stream.md). NULL: the event is from before this
-- migration, or from a dump of another server; the stream does not deliver it. In two steps, so that no row is rewritten.
ALTER TABLE events ADD COLUMN IF NOT EXISTS transaction xid8;
ALTER TABLE events ALTER COLUMN transaction SET DEFAULT pg_current_xact_id();

-- The nonces of the tickets that were used: a ticket is valid once.
CREATE TABLE IF NOT EXISTS stream_tickets (
    nonce varchar(32) PRIMARY KEY,
    expires_at bigint NOT NULL
);
