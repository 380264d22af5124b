"""One run of the tests on two database engines: each process has one, and each test goes where it belongs."""

SQLITE = "sqlite"
POSTGRES = "postgres"
ENGINES = (SQLITE, POSTGRES)

# In a worker's environment: the engine that it was given.
ENGINE_VARIABLE = "KYROS_TEST_ENGINE"
