"""Real servers for tests, each of which ends with the process that started it."""
