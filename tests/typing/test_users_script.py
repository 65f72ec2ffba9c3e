"""mypy and pyright find the mistakes in a user's script, and no others."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calibrl_ref import RECIPES, hyper_parameters

ROOT = Path(__file__).parents[2]


def run(*command):
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT).stdout


def mypy(folder):
    """Its errors: file name, line, message. The cache is that of ``make lint``."""
    lines = run("mypy", "--strict", "--no-error-summary", "--show-absolute-path", *folder.glob("*.py")).splitlines()
    found = (re.fullmatch(r"(.*):(\d+): error: (.*)", line) for line in lines)
    return [(Path(match[1]).name, int(match[2]), match[3]) for match in found if match]


def pyright(folder):
    """Its errors (of basedpyright, which brings its own node), by pyright's rules."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "standard"}))
    found = json.loads(run("basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", folder))
    errors = [item for item in found["generalDiagnostics"] if item["severity"] == "error"]
    return [(Path(item["file"]).name, item["range"]["start"]["line"] + 1, item["message"]) for item in errors]


def every_recipe():
    """Each recipe called with all its hyper-parameters, and with each of the others: the lines that are wrong."""
    names = {item.name for name in RECIPES for item in hyper_parameters(name)}
    lines, wrong = ["from calibrl_ref import RECIPES"], {}
    for name in RECIPES:
        own = {item.name: item.default for item in hyper_parameters(name)}
        lines.append(f"RECIPES[{name!r}]({', '.join(f'{key}={value!r}' for key, value in own.items())})")
        for other in sorted(names - own.keys()):
            lines.append(f"RECIPES[{name!r}]({other}=None)")
            wrong[len(lines)] = f'"{other}"'
    return "\n".join(lines), wrong


def users_script():
    text = (Path(__file__).parent / "users_script.py").read_text()
    lines = (line.partition("# error: ") for line in text.splitlines())
    return text, {number: wrong for number, (_, _, wrong) in enumerate(lines, start=1) if wrong}


SCRIPTS = {"users_script.py": users_script, "every_recipe.py": every_recipe}


@pytest.fixture(scope="module", params=[mypy, pyright])
def errors(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    for name, make in SCRIPTS.items():
        (folder / name).write_text(make()[0])
    return request.param(folder)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_mistake_is_found_and_nothing_else(errors, script):
    """In ``every_recipe.py`` this also shows where an entry of ``Recipes`` is missing or wrong."""
    _, expected = SCRIPTS[script]()
    found = [(line, message) for file, line, message in errors if file == script]
    assert {line for line, _ in found} == set(expected), found
    for number, what in expected.items():
        assert any(what in message for line, message in found if line == number), (number, what, found)
