"""The rooms of the toy: each imports from lower ones only, so that they can be read from the bottom up."""

import ast
from pathlib import Path

import pytest

TOY = Path(__file__).parents[2] / "toy"
FLOORS = ("world", "learning", "studies", "pages", "options", "commands", "__main__")
"""Rooms, then the command line's modules, from the lowest upwards."""


def imported(source):
    """What a module's text imports from the toy, wherever the import stands in it."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name for name in names if name.startswith("toy.")}


def floor(name):
    return FLOORS.index(name.split(".")[1])


def modules():
    return [path for path in sorted(TOY.rglob("*.py")) if path != TOY / "__init__.py"]


def name_of(path):
    return ".".join(path.relative_to(TOY.parent).with_suffix("").parts)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_room_imports_lower_rooms_only(path):
    own = floor(name_of(path))
    higher = {name for name in imported(path.read_text()) if floor(name) > own}
    assert not higher, f"{name_of(path)} imports {sorted(higher)}"


def test_the_modules_of_a_room_import_each_other_without_a_circle():
    names = {name_of(path) for path in modules()}
    known = {
        name_of(path): {
            next((part for part in (found, found.rpartition(".")[0]) if part in names), found)
            for found in imported(path.read_text())
        }
        for path in modules()
    }
    done: set[str] = set()
    while ready := {name for name in names - done if known[name] & names <= done}:
        done |= ready
    assert not names - done, f"a circle among {sorted(names - done)}"


def test_an_import_is_found_wherever_it_stands():
    source = "import toy.world\ndef f():\n    from toy.pages import watch\nfrom toy.studies.arms import Arm\nimport os"
    assert imported(source) == {"toy.world", "toy.pages.watch", "toy.studies.arms.Arm"}
