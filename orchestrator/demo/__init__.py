"""Demo data: a realistic past of jobs, events, tasks and users, the same for the same seed.

A generator for each table makes the rows, ``seed_plan`` combines them, ``bulk_load`` inserts them. Only
``bulk_load`` uses the database; no module uses the clock or randomness other than the seed's.
"""
