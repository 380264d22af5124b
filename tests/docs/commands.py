"""Shell commands in Markdown files: those of the fenced blocks that are marked as ``sh``."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

#: The documentation, relative to the project.
MARKDOWN_FILES = sorted(
    file.relative_to(settings.BASE_DIR)
    for pattern in ("*.md", "docs/**/*.md", "tests/*.md", "benchmarks/*.md", "examples/*.md")
    for file in settings.BASE_DIR.glob(pattern)
)

BLOCK = re.compile(
    r"^(?P<fence>```+)(?:sh|bash|shell)\s*\n(?P<text>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its text, which may have several lines, and where it begins."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Return the place and the first line."""
        return f"{self.file}:{self.line}: {self.text.splitlines()[0]}"


def commands_in(file: Path) -> list[Command]:
    """Return the commands of the file's shell blocks, in order."""
    text = file.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start("text")) + 1
        found += _commands(file, first_line, block["text"].splitlines())
    return found


def _commands(file: Path, line: int, lines: list[str]) -> list[Command]:
    found, pending = [], ""
    for number, content in enumerate(lines, start=line):
        start = number - pending.count("\n")
        pending += content
        if not _is_complete(pending):
            pending += "\n"
            continue
        if shlex.split(pending, comments=True):
            found.append(Command(file=file, line=start, text=pending))
        pending = ""
    assert not pending, f"{file}:{line}: the last command of the block is not complete"
    return found


def _is_complete(text: str) -> bool:
    """Return whether `text` neither ends with a backslash nor inside quotes."""
    if text.endswith("\\"):
        return False
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True
