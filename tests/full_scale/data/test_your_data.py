"""A newcomer with 20 records and pictures of their own trains with what docs/your_data.md says, in one command."""

import json
import re
import shlex
from pathlib import Path

import pytest

from full_scale.data.generic import USUAL
from full_scale.data.rendered import rendered_problems
from full_scale.train import main

TEXT = (Path(__file__).parents[3] / "docs" / "your_data.md").read_text()
pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


def commands():
    return [shlex.split(line) for line in re.findall(r"^python full_scale/train\.py .*$", TEXT, re.MULTILINE)]


def write(folder, names=("question", "answer", "image")):
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, problem in enumerate(rendered_problems(20, seed=3)):
        problem.rgb_images()[0].save(folder / "images" / f"{number}.png")
        cells = (problem.question, int(problem.answer), f"images/{number}.png")
        rows.append(dict(zip(names, cells, strict=True)) | {"solution": problem.solution})
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.slow
def test_the_documented_command_trains(tmp_path, monkeypatch):
    write(tmp_path / "my_data")
    monkeypatch.chdir(tmp_path)
    command = commands()[0]
    assert command[2:] == ["--dataset", "my_data", "--method", "grpo"]
    flags = ["--steps", "1", "--out", str(tmp_path / "out")]
    assert main([*command[2:], *flags])["steps"] == 1
    assert (tmp_path / "out" / "results.json").is_file()


@pytest.mark.slow
def test_other_names_of_columns_are_given_as_documented(tmp_path, monkeypatch):
    write(tmp_path / "my_data", names=("q", "a", "photo"))
    monkeypatch.chdir(tmp_path)
    command = commands()[1]
    flags = ["--steps", "1", "--evaluate-problems", "0", "--out", str(tmp_path / "out")]
    assert main([*command[2:], *flags])["steps"] == 1


def test_the_documented_names_are_those_that_are_read():
    table = re.findall(r"^\| (\w+) \| ([\w, ;]+?)(?: \.\.\.|; or columns[\w, ]+)? \|", TEXT, re.MULTILINE)
    assert {what for what, _ in table} == {"question", "answer", "pictures", "choices", "expert", "id"} | {"what"}
    for what, names in table:
        assert what == "what" or {name.strip() for name in names.split(",")} <= set(USUAL[what]), what
