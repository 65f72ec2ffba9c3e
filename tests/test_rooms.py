"""The rooms of full_scale: each imports from lower floors only, so that the house can be read from the bottom up."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"problems"},
    {"model", "verifier"},
    {"data", "run"},
    {"pages"},
    {"evaluation"},
    {"training"},
    {"train", "evaluate", "make_experts", "pretrain", "import_model"},
    {"ray_train"},
)
"""Rooms and scripts, from the lowest floor upwards; those of one floor do not know each other."""


def imported_rooms(source):
    """The rooms of full_scale that a module's text imports, wherever the import stands in it."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module] if "." in node.module else [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("full_scale.")}


def floor_of(room):
    return next(height for height, rooms in enumerate(FLOORS) if room in rooms)


def modules():
    return sorted(path.relative_to(ROOT / "full_scale") for path in (ROOT / "full_scale").rglob("*.py"))


def room_of(module):
    return module.parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", [module for module in modules() if room_of(module) != "__init__"], ids=str)
def test_a_room_imports_lower_floors_only(module):
    room = room_of(module)
    found = imported_rooms((ROOT / "full_scale" / module).read_text())
    too_high = {name for name in found - {room} if floor_of(name) >= floor_of(room)}
    assert not too_high, f"full_scale/{module} imports {sorted(too_high)}"


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    rooms = {room_of(module) for module in modules()} - {"__init__"}
    assert rooms == set().union(*FLOORS)
    assert len(rooms) <= 14


def test_an_import_is_found_wherever_it_stands():
    source = (
        "import full_scale.train\ndef f():\n    from full_scale import pages\n    from full_scale.run.folder import x\n"
    )
    assert imported_rooms(source) == {"train", "pages", "run"}
