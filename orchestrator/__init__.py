"""The domain: jobs, events, tasks and users, the API that serves them, and the cache of its responses."""
