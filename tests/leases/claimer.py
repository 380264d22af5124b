"""Claims jobs until none is left and prints their ids: ``python -m tests.leases.claimer WORKER``."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kyros.settings")
django.setup()

from orchestrator.leases.claim import claim  # noqa: E402

while taken := claim(sys.argv[1], by="user", limit=2):
    for job in taken:
        sys.stdout.write(f"{job.pk}\n")
