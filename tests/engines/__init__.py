"""One test run on two database engines: each process has one engine, and each test runs on its engines."""

SQLITE = "sqlite"
POSTGRES = "postgres"
ENGINES = (SQLITE, POSTGRES)

# The environment variable of a worker that holds its engine.
ENGINE_VARIABLE = "KYROS_TEST_ENGINE"
