"""Processes that archive and restore are killed at random: every row is once in its table or in a file."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

KILLS = 6


def test_every_row_is_there_once_after_kills_at_random(
    script: Callable[..., "subprocess.CompletedProcess[str]"],
):
    ran = script("kills", KILLS, 3)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"archive killed": KILLS, "restore killed": KILLS, "faults": []}
