"""What the documentation names exists: files, links, settings and terms."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.docs.commands import MARKDOWN_FILES

pytestmark = pytest.mark.engine_neutral

PROJECT = settings.BASE_DIR
GLOSSARY = PROJECT / "docs" / "glossary.md"
MAX_TERMS = 45
MAX_README_LINES = 90
#: Folders that a path in the documentation may leave out.
ROOTS = (
    "",
    "benchmarks",
    "docs",
    "examples",
    "orchestrator",
    "orchestrator/api",
    "orchestrator/cache",
    "orchestrator/cache/lua",
    "tests",
)
SOURCES = (".lua", ".py", ".sql")
PATH = re.compile(r"`((?:[\w.-]+/)+|[\w./-]+\.(?:json|lua|md|py|sql|svg|toml|txt|yml))`")
LINK = re.compile(r"\]\((?![a-z]+://)([^)#\s]*)(?:#([^)\s]+))?\)")


def matches(pattern: re.Pattern[str], file: Path) -> Iterator["re.Match[str]"]:
    return pattern.finditer((PROJECT / file).read_text(encoding="utf-8"))


def exists(path: str) -> bool:
    """Return whether a file of the project has this path, or `.gitignore` lists it."""
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").split()
    return path in ignored or any((PROJECT / root / path).exists() for root in ROOTS)


def anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def terms() -> list[str]:
    rows = re.findall(r"(?m)^\| ([^|]+) \|", GLOSSARY.read_text(encoding="utf-8"))
    return [row for row in rows if row not in ("term", "---")]


@pytest.mark.parametrize("file", MARKDOWN_FILES, ids=str)
def test_every_path_in_backticks_exists(file: Path):
    assert [path[1] for path in matches(PATH, file) if not exists(path[1])] == []


@pytest.mark.parametrize("file", MARKDOWN_FILES, ids=str)
def test_every_relative_link_leads_to_a_page_and_its_heading(file: Path):
    page = PROJECT / file
    for link in matches(LINK, file):
        target = (page.parent / link[1]) if link[1] else page
        assert target.exists(), link[0]
        assert link[2] is None or link[2] in anchors(target), link[0]


def test_the_glossary_is_short_and_in_alphabetical_order():
    assert terms() == sorted(terms(), key=str.lower)
    assert 0 < len(terms()) <= MAX_TERMS


def test_every_term_of_the_glossary_occurs_in_the_code():
    code = source_code()
    missing = [term for term in terms() if not term_pattern(term).search(code)]
    assert missing == [], "remove these terms, or use them in the code"


def source_code() -> str:
    packages = ("kyros", "monitoring", "orchestrator")
    files = [
        file for package in packages for file in (PROJECT / package).rglob("*.*") if file.suffix in SOURCES
    ]
    return "\n".join(file.read_text(encoding="utf-8") for file in [*files, PROJECT / "Procfile"])


def term_pattern(term: str) -> re.Pattern[str]:
    """Return a pattern of the term's spellings: in text, as an identifier and as a class name."""
    words = re.split(r"[ -]", term.partition(" (")[0])
    return re.compile(r"[\s_-]*".join(map(re.escape, words)), re.IGNORECASE)


def test_every_setting_is_in_the_table_of_the_operations_page():
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Settings\n")[2]
    cells = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == settings.ENVIRONMENT_VARIABLES


def test_every_test_folder_is_in_the_readme_of_the_tests():
    text = (PROJECT / "tests" / "README.md").read_text(encoding="utf-8")
    folders = {file.parent.name for file in (PROJECT / "tests").glob("*/test_*.py")}
    assert {folder for folder in folders if f"`{folder}/`" not in text} == set()


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= MAX_README_LINES
