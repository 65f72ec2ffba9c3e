"""tests/ mirrors the rooms: each module of toy, cli and full_scale has a test file of its name."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("cli", "full_scale", "toy")


def modules():
    found = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py")


def mirror_of(module):
    return Path("tests", module.parent, f"test_{module.stem.strip('_')}.py")


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_has_a_test_file_of_its_name(module):
    assert (ROOT / mirror_of(module)).is_file()


def test_the_rooms_are_looked_through():
    names = set(map(str, modules()))
    assert {"cli/flags.py", "toy/__main__.py", "full_scale/verifier/code_confined.py"} <= names
    assert mirror_of(Path("toy/__main__.py")) == Path("tests/toy/test_main.py")
    assert mirror_of(Path("full_scale/model/gguf.py")) == Path("tests/full_scale/model/test_gguf.py")
