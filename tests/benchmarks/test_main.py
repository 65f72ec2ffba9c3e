"""The benchmark's command: some sections or all, the others stay in the file, and it tells what changed."""

import os
import re
import threading

import pytest

from benchmarks import __main__ as program
from benchmarks.rows import Row, load


@pytest.fixture(autouse=True)
def _sections(tmp_path, monkeypatch):
    made = iter(range(1, 100))
    found = {
        name: lambda name=name: [Row.of(f"{name} row", "s", [float(next(made))], peer="peer", theirs=[1.0])]
        for name in ("first", "second")
    }
    monkeypatch.setattr(program, "SECTIONS", found)
    monkeypatch.setattr(program, "FILE", tmp_path / "bench.json")
    monkeypatch.setattr(program, "in_own_process", lambda section: section())


in_own_process = program.in_own_process


def test_a_section_is_measured_in_a_process_of_its_own():
    """The memory of a step grew by nothing after a section that had taken more."""
    assert len({in_own_process(os.getpid), in_own_process(os.getpid), os.getpid()}) == 3


def test_all_sections_then_one_of_them(capsys):
    program.main([])
    assert [row.ratio for rows in load(program.FILE).values() for row in rows] == [1.0, 2.0]
    printed = capsys.readouterr()
    assert "| first row | s | 1 (1) | peer 1 (1) |" in printed.out
    assert re.fullmatch(r"first: done after \d+ s\nsecond: done after \d+ s\n", printed.err)
    program.main(["second", "--compare"])
    assert [row.ratio for rows in load(program.FILE).values() for row in rows] == [1.0, 3.0]
    printed = capsys.readouterr().out
    assert "first row" not in printed
    assert printed.endswith("\nsecond: second row: worse, 2.000 -> 3.000 x peer\n")


def test_sections_of_one_thread_are_measured_two_at_once_and_the_others_alone(monkeypatch):
    together, running, most = threading.Barrier(2, timeout=10), [], []

    def alone():
        running.append(1)
        most.append(len(running))
        running.pop()
        return []

    def beside():
        together.wait()
        return []

    monkeypatch.setattr(program, "SECTIONS", {"a": beside, "b": alone, "c": beside, "d": alone})
    monkeypatch.setattr(program, "ONE_THREAD", ("a", "c"))
    assert [name for name, _ in program.measured(["a", "b", "c", "d"])][:2] == ["b", "d"]
    assert most == [1, 1]


def test_without_a_change_it_says_so(capsys, monkeypatch):
    monkeypatch.setattr(program, "SECTIONS", {"first": lambda: [Row.of("row", "s", [1.0], peer="p", theirs=[1.0])]})
    program.main([])
    program.main(["--compare"])
    assert capsys.readouterr().out.endswith("\nnothing changed by more than the spread\n")


def test_a_section_that_is_none_is_refused_before_anything_is_measured():
    with pytest.raises(ValueError, match=r"section='secnd'.*second"):
        program.main(["first", "secnd"])
    assert not program.FILE.exists()
