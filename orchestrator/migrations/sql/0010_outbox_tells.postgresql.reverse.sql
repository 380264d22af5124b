DROP TRIGGER outbox_tells ON cache_outbox;
DROP FUNCTION outbox_tells();
