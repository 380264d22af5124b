"""What is installed: every package is pinned, also those that others need, and checked by its hash."""

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine_neutral

ROOT = Path(__file__).resolve().parents[2]
FILES = ("requirements.txt", "benchmarks/requirements.txt")
#: Part of a new virtual environment; `requirements.txt` does not install them.
INSTALLERS = {"pip", "setuptools"}
PIN = re.compile(
    r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)(.*(?:\n +--hash=sha256:[0-9a-f]{64}.*)*)", re.MULTILINE
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, tuple[str, str]]:
    """Return the version and the rest of the entry, by the package's name."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {canonical(name): (version, rest) for name, version, rest in PIN.findall(text)}


def versions(file: str) -> dict[str, str]:
    return {name: version for name, (version, _) in pins(file).items()}


@pytest.mark.parametrize("file", FILES)
def test_every_package_has_hashes_and_none_names_a_registry(file: str):
    assert [name for name, (_, rest) in pins(file).items() if "--hash=" not in rest] == []
    assert not re.search(r"://|--(extra-)?index|--find-links", (ROOT / file).read_text(encoding="utf-8"))


def test_the_list_for_people_is_in_the_list_that_is_installed():
    assert versions("requirements.in")
    assert versions("requirements.in").items() <= versions("requirements.txt").items()


def test_every_installed_package_is_pinned_at_its_version():
    installed = {canonical(each.name): each.version for each in distributions()}
    pinned = versions("requirements.txt")
    assert {
        name: version for name, version in installed.items() if pinned.get(name) != version
    }.keys() <= INSTALLERS
