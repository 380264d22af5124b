-- The nonces of the tickets that were used: a ticket is valid once.
CREATE TABLE IF NOT EXISTS stream_tickets (
    nonce varchar(32) PRIMARY KEY,
    expires_at bigint NOT NULL
);
