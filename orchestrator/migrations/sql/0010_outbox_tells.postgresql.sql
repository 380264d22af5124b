-- A connection that listens (kyros.listens) is told by the triggers what its transactions make stale, in the answer to the
-- statement, and collects nothing from the outbox before it commits. Only in transactions that the hook around COMMIT has begun, which
-- are DEFERRABLE: what is committed without the hook goes into the outbox, as does what the hook itself inserts.
CREATE FUNCTION outbox_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- INFO, which no setting keeps from the client.
    RAISE INFO USING MESSAGE = 'kyros.stale', DETAIL = array_to_json(NEW.families)::text;
    RETURN NULL;
END $$;

CREATE TRIGGER outbox_tells BEFORE INSERT ON cache_outbox FOR EACH ROW
    WHEN (
        pg_trigger_depth() > 0
        AND current_setting('transaction_deferrable') = 'on'
        AND current_setting('kyros.listens', true) = 'on'
    )
    EXECUTE FUNCTION outbox_tells();
