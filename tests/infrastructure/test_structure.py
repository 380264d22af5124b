"""The structure of the product: names are unique, and the top of the domain stays small."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine_neutral

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kyros", "monitoring", "orchestrator")
MAX_TOP_MODULES = 14

#: Names that Django gives, those of resources, and those of the engines may be used more than once. The names
#: of commands are the contract's.
DJANGO = {
    "__init__",
    "__main__",
    "admin",
    "apps",
    "checks",
    "middleware",
    "models",
    "signals",
    "tasks",
    "urls",
    "views",
}
RESOURCES = {"auth", "events", "jobs", "tasks", "users"}
ENGINES = {"base", "postgresql", "schema", "sqlite"}


def modules() -> list[Path]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return sorted(file for file in files if not {"commands", "migrations"} & {*file.parts})


def test_the_top_of_the_domain_is_small() -> None:
    top = {file.stem for file in (ROOT / "orchestrator").glob("*.py")} - {"__init__"}
    assert len(top) <= MAX_TOP_MODULES, sorted(top)


def test_no_file_name_is_used_for_two_things() -> None:
    places = defaultdict(list)
    for file in modules():
        if file.stem not in DJANGO | RESOURCES | ENGINES:
            places[file.stem].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if files[1:]} == {}


def test_no_class_name_is_used_for_two_things() -> None:
    places = defaultdict(list)
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name not in {"Command", "Meta", "DatabaseWrapper"}:
                places[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in places.items() if files[1:]} == {}
