"""Processes that archive and restore are killed at random: every row is once in its table or in a file."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.archive import kills

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

#: Kills at random, beside those at certain points.
KILLS = 3


def test_every_row_is_there_once_after_each_kill(script: Callable[..., "subprocess.CompletedProcess[str]"]):
    ran = script("kills", KILLS, 3)
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["faults"] == []
    assert {"writing", "deleting"} < set(result["archive"])
    assert sum(result["archive"].values()) == len(kills.POINTS["archive"]) + KILLS
    assert sum(result["restore"].values()) == len(kills.POINTS["restore"]) + KILLS
