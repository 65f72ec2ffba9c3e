"""The map of methods: every method stands where its recipe puts it, with what was measured of it."""

import json
import re

import method_map
import pytest

from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

CHANGES = json.loads(method_map.MEASURED.read_text(encoding="utf-8"))
PAGE = method_map.PAGE.read_text(encoding="utf-8")


def test_every_method_was_measured():
    assert list(CHANGES) == list(method_map.METHODS), "run: python docs/method_map.py"
    assert all(low <= mean <= high for mean, low, high in CHANGES.values())


def test_the_page_holds_the_table_that_the_script_writes(tmp_path, monkeypatch):
    (tmp_path / "map.md").write_text(PAGE)
    monkeypatch.setattr(method_map, "PAGE", tmp_path / "map.md")
    method_map.write(CHANGES)
    assert (tmp_path / "map.md").read_text() == PAGE, "run: python docs/method_map.py"


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("grpo", ("an answer with its group", "own answers")),
        ("luffy", ("an answer with its group", "own answers and the expert's")),
        ("sft", ("nothing", "the expert's")),
        ("calibrl", ("its whole response with the expert", "own answers and the expert's")),
        ("calibrl_released", ("its token t with the old policy's expert", "own answers")),
    ],
)
def test_a_method_stands_where_it_belongs(method, place):
    assert method in method_map.grid()[place]


@pytest.mark.slow
def test_a_change_of_entropy_is_measured_anew_and_close_to_what_the_entropy_has_lost():
    """At a small rate the first-order changes, summed, miss the whole change by little."""
    assert method_map.measure("grpo") == pytest.approx(CHANGES["grpo"], abs=0.01)
    training = Training(steps=300, points=2, learning_rate=1.0)
    entropy = train(parse_method("grpo"), World(), training, range(16))["entropy"].mean(1)
    assert CHANGES["grpo"][0] == pytest.approx(entropy[-1] - entropy[0], rel=0.1)


def test_there_are_twelve_papers_and_three_ways_through():
    papers = re.findall(r"^\| (\d+) \| .*\]\(https://", PAGE, re.MULTILINE)
    assert papers == [str(number) for number in range(1, 13)]
    ways = re.findall(r"^\*\*(An hour|An afternoon|A week)\.\*\*(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert [way for way, _ in ways] == ["An hour", "An afternoon", "A week"]
    assert all(re.search(r"[Pp]apers? \d", text) for _, text in ways)
