"""Demo data: a realistic past of jobs, events, tasks and users, the same for the same seed.

``seed_plan`` decides how many rows there are, ``timeline`` when things happened, ``job_kinds`` and
``vocabulary`` what they are called, ``job_lifecycles`` how jobs ended. ``jobs``, ``agent_events``, ``tasks``
and ``users`` generate the rows, and ``bulk_load`` inserts them. All modules but ``bulk_load`` are pure: they
use no clock, no database and no randomness except the seed's.
"""
