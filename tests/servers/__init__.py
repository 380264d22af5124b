"""Real servers for tests. Each server ends with the process that started it."""
