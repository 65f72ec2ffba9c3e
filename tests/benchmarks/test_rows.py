"""Rows of the benchmark: ratios by turn, bars, the file with its sections, and what changed."""

import json

import pytest

from benchmarks.rows import Row, changes, in_turns, load, machine, save, table


def row(name="step", ours=(1.0, 3.0, 2.0), theirs=(2.0, 2.0, 8.0), **changed):
    return Row.of(name, "s", ours, peer="stock", theirs=theirs, **changed)


def test_a_row_has_medians_bests_and_the_ratios_of_turns():
    found = row()
    assert (found.ours, found.best, found.theirs, found.their_best) == (2.0, 1.0, 2.0, 2.0)
    assert (found.ratio, found.spread) == (0.5, (0.25, 1.5))
    assert (row(rate=True).best, row(rate=True).their_best) == (3.0, 8.0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (row(bar=0.5), True),
        (row(bar=0.49), False),
        (row(bar=0.5, rate=True), True),
        (row(bar=0.51, rate=True), False),
        (Row.of("toy", "s", [60.0], bar=60.0), True),
        (Row.of("toy", "s", [61.0], bar=60.0), False),
        (row(), None),
    ],
)
def test_a_bar_is_for_the_ratio_or_without_a_peer_for_the_figure(given, kept):
    assert given.keeps_to_the_bar is kept


def test_both_are_measured_in_turns():
    called = []
    found = in_turns(lambda: called.append("a") or 1.0, lambda: called.append("b") or 2.0, 2)
    assert (called, found) == (["a", "b", "a", "b"], ([1.0, 1.0], [2.0, 2.0]))


def test_one_table_shows_all():
    text = table({"first": [row(bar=0.4)], "second": [Row.of("compare", "s", [1234.5], bar=2000.0)]})
    lines = text.splitlines()
    assert lines[3] == "| step | s | 2 (1) | stock 2 (2) | **0.500** [0.250, 1.500] | ≤ 0.4 MISSED |"
    assert lines[5] == "| compare | s | 1,234 (1,234) |  |  | ≤ 2,000 kept |"
    assert {line.count("|") for line in lines} == {7}


def test_sections_are_merged_in_their_order_and_read_again(tmp_path):
    file = tmp_path / "results" / "bench.json"
    assert load(file) == {}
    save(file, {"second": [row()]}, ["first", "second"])
    save(file, {"first": [row("a"), row("b")]}, ["first", "second"])
    assert load(file) == {"first": [row("a"), row("b")], "second": [row()]}
    save(file, {"second": [row("new")]}, ["first", "second"])
    assert list(load(file)) == ["first", "second"]
    assert load(file)["second"] == [row("new")]


def test_the_file_has_date_commit_and_machine_but_nothing_that_names_it(tmp_path):
    file = tmp_path / "bench.json"
    save(file, {"first": [row()]}, ["first"])
    section = json.loads(file.read_text())["sections"]["first"]
    assert set(section) == {"date", "commit", "machine", "rows"}
    assert set(machine()) == {"processor", "cores", "python", "torch"}


def test_what_changed_by_more_than_the_spread_is_told():
    before = {"first": [row("slower", (1.0, 1.1), (1.0, 1.0)), row("same"), row("gone")], "other": [row()]}
    now = {"first": [row("slower", (2.0, 2.0), (1.0, 1.0)), row("same"), row("new")]}
    assert changes(before, now) == [
        "first: gone: gone",
        "first: new: new",
        "first: slower: worse, 1.050 -> 2.000 x stock",
    ]
    rate = {"first": [row("r", (1.0,), (1.0,), rate=True)]}, {"first": [row("r", (2.0,), (1.0,), rate=True)]}
    assert changes(*rate) == ["first: r: better, 1.000 -> 2.000 x stock"]
    assert changes(*reversed(rate)) == ["first: r: worse, 2.000 -> 1.000 x stock"]
