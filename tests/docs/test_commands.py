"""The front door keeps its word: the snippet runs, every command and path that a page names exists, CI runs them."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from full_scale.data import load_problems
from full_scale.run.command_line import read_command_line

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "full_scale/README.md", "tutorials/README.md", "docs/your_trainer.md"]
PAGES += ["docs/verification.md", "docs/architecture.md"]
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def commands():
    """(page, command) for all that a page tells a reader to type: code spans and blocks of the shell."""
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = re.findall(r"^```\n(.*?)```", text, re.DOTALL | re.MULTILINE)
        lines = [line for block in blocks for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        yield from ((page, found.partition("#")[0].strip()) for found in [*lines, *spans])


ALL = sorted(set(commands()))
MADE = [(page, command) for page, command in ALL if re.match(r"make [a-z]", command)]
RUN = [(page, command) for page, command in ALL if re.match(r"(python|pytest) ", command)]


def test_the_snippet_prints_what_it_says():
    (snippet,) = SNIPPETS
    assert len(snippet.splitlines()) <= 15
    assert max(map(len, snippet.splitlines())) <= 100
    (promised,) = re.findall(r"^print\(.*\)\n# (.*)", snippet, re.MULTILINE)
    with redirect_stdout(io.StringIO()) as printed:
        exec(snippet, {})
    assert printed.getvalue().strip() == promised


def test_the_readme_is_short_and_has_few_numbers():
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    assert len(README.splitlines()) <= 90
    assert len(re.findall(r"\d+(?:\.\d+)?", prose)) <= 5 * len(prose.split()) / 100


@pytest.mark.parametrize(("page", "command"), MADE)
def test_a_target_that_a_page_names_exists(page, command):
    assert command.split()[1] in TARGETS


@pytest.mark.parametrize(("page", "command"), RUN)
def test_what_a_page_tells_to_run_exists(page, command):
    words = [word for word in command.split() if not word.startswith("-")]
    for word in words[1:]:
        if re.fullmatch(r"[\w./]+\.py|tests/[\w/]+", word):
            assert (ROOT / word).exists(), word
    if "-m" in command.split():
        module = command.split()[command.split().index("-m") + 1].split(".")
        home = ROOT / "tutorials" if module[0] == "course" else ROOT
        ours = module[0] in {"toy", "full_scale", "benchmarks", "course"}
        assert not ours or home.joinpath(*module).exists() or home.joinpath(*module).with_suffix(".py").exists()


@pytest.mark.parametrize("command", sorted({command for _, command in RUN if "full_scale/train.py" in command}))
def test_a_training_run_that_a_page_tells_can_begin(command):
    words = shlex.split(command)[2:]
    if any(word.isupper() for word in words):
        return  # a place for the reader's own
    settings = read_command_line(words).settings
    if (ROOT / settings.dataset).exists():
        problems = load_problems(str(ROOT / settings.dataset), split="train", limit=settings.limit, seed=0)
        settings.check_enough(len(problems), settings.dataset)


@pytest.mark.parametrize("page", PAGES)
def test_a_path_that_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    rooms = "benchmarks|calibrl_ref|docs|examples|full_scale|tests|toy|tutorials"
    named = {path for path in re.findall(rf"`((?:{rooms})/[\w./]+)", text) if "NN" not in path}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_architecture_lists_every_module_of_the_package():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Modules of calibrl_ref")[2].partition("\n## ")[0]
    listed = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert listed == {path.stem for path in (ROOT / "calibrl_ref").glob("*.py")} - {"__init__"}


def test_the_maps_list_every_room():
    for house, page in (("toy", "docs/architecture.md"), ("full_scale", "full_scale/README.md")):
        text = (ROOT / page).read_text(encoding="utf-8")
        rooms = {path.parent.name for path in (ROOT / house).glob("*/__init__.py")}
        assert rooms
        assert {room for room in rooms if f"`{room}/`" not in text} == set()


def test_every_target_is_explained_by_make_help():
    listed = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {".venv", ".venv-real"}
    assert {line.split()[0] for line in listed.splitlines()} == set(TARGETS) - files


def test_ci_runs_the_readmes_test_command_last():
    steps = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(steps) >= {"lint", "docs", "test-tutorials"}
    assert steps[-1] == "test"
    assert "`make test`" in README


def test_the_commit_hooks_are_valid_and_need_no_download():
    settings = ROOT / ".pre-commit-config.yaml"
    subprocess.run([sys.executable, "-m", "pre_commit", "validate-config", settings], check=True)
    repositories = re.findall(r"repo: (\S+)", settings.read_text(encoding="utf-8"))
    assert repositories == ["local"]
