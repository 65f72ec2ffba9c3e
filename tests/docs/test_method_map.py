"""The map of methods: every method stands where its recipe puts it, with what was measured of it."""

import json
import re

import method_map
import pytest

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
def test_a_change_of_entropy_is_that_of_the_run():
    """At a small rate the sum of the first-order changes is close to what the entropy has lost."""
    found = method_map.measure("grpo", seeds=range(2), steps=40)
    assert found[1] <= found[0] <= found[2] < 0


def test_there_are_twelve_papers_and_three_ways_through():
    papers = re.findall(r"^\| (\d+) \| .*\]\(https://", PAGE, re.MULTILINE)
    assert papers == [str(number) for number in range(1, 13)]
    ways = re.findall(r"^\*\*(An hour|An afternoon|A week)\.\*\*(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert [way for way, _ in ways] == ["An hour", "An afternoon", "A week"]
    assert all(re.search(r"[Pp]apers? \d|papers \d", text) for _, text in ways)
