"""Demo data: a believable past of jobs, events, tasks and users, the same for the same seed.

``plan`` says how much of what, ``timeline`` when things happened, ``catalogue`` and ``vocabulary`` what they
were called, ``stories`` what became of jobs; ``lives``, ``agents``, ``notes`` and ``people`` make the rows;
``loading`` puts them into the database. Everything but ``loading`` is pure: no clock, no database, no
randomness but the seed's.
"""
