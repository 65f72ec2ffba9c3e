"""The bars of ``make mutants``: what counts as killed, as equivalent, and as a failure."""

from collections import Counter

import pytest
from report import Bars, changed_line, choose, listed_mutants
from report import report as full_report

ENTRY = {"name": "m.x__mutmut_1", "line": "return b", "reason": "b is a"}


def report(status, lines, listed, bars):
    return full_report(status, lines, Counter(name.rpartition(".")[0] for name in status), listed, bars)


def verdicts(killed=98, **others):
    return {f"m.k__mutmut_{i}": "killed" for i in range(killed)} | others


def test_the_changed_line_is_read_from_the_diff():
    head = "# m: survived\n--- a.py\n+++ a.py\n@@ -1 +1 @@\n     f(\n"
    assert changed_line(f"{head}-    return a\n+    return b\n") == "return b"
    assert changed_line(f"{head}-    a,\n") == "- a,"


@pytest.mark.parametrize(
    ("verdict", "line", "listed", "good"),
    [
        ("killed", "", [], True),
        ("timeout", "", [], True),
        ("survived", "return b", [ENTRY], True),
        ("survived", "return b", [], False),
        ("survived", "return c", [ENTRY], False),  # the name is listed, with another line
        ("survived", "return b", [ENTRY | {"reason": ""}], False),
        ("not checked", "return b", [ENTRY], False),
        ("no tests", "return b", [ENTRY], False),
    ],
)
def test_a_run_is_good_if_all_is_killed_but_listed_equivalents(verdict, line, listed, good):
    text, passed = report(verdicts(**{"m.x__mutmut_1": verdict}), {"m.x__mutmut_1": line}, listed, Bars())
    assert passed == good
    assert ("not listed: m.x__mutmut_1" in text) == (not good)


def test_too_many_equivalents_are_no_good_run():
    status = verdicts(31, **{"m.x__mutmut_1": "survived"})  # 1 of 32 is more than 3 %
    assert not report(status, {"m.x__mutmut_1": "return b"}, [ENTRY], Bars())[1]


def test_the_report_counts():
    status = verdicts(8, **{"m.x__mutmut_1": "survived", "m.t__mutmut_1": "timeout"})
    text, good = report(status, {"m.x__mutmut_1": "return b"}, [ENTRY], Bars())
    assert not good
    assert "10 mutants: {'killed': 8, 'survived': 1, 'timeout': 1}" in text
    assert "killed 90.0% (at least 97%), equivalent 1 of 10 (at most 3%; listed in mutants.toml), other 0" in text


def test_survivors_need_not_be_listed_where_the_bars_do_not_ask_for_it():
    status = verdicts(9, **{"m.x__mutmut_1": "survived"})
    lines = {"m.x__mutmut_1": "return b"}
    assert report(status, lines, [], Bars(killed_at_least=0.9, all_survivors_listed=False))[1]
    assert not report(status, lines, [], Bars(killed_at_least=0.91, all_survivors_listed=False))[1]


def test_the_report_counts_by_module():
    text, _ = report({"a.x_f__mutmut_1": "killed", "a.x_f__mutmut_2": "survived"}, {"a.x_f__mutmut_2": ""}, [], Bars())
    assert "a: 1 of 2 killed" in text.splitlines()[-1]


def test_a_sample_counts_each_module_by_its_size_and_has_an_interval():
    status = {f"a.x_f__mutmut_{i}": "killed" if i < 8 else "survived" for i in range(10)}
    status |= {f"b.x_f__mutmut_{i}": "killed" if i < 5 else "survived" for i in range(10)}
    text, good = full_report(status, dict.fromkeys(status, ""), {"a": 90, "b": 10}, [], Bars(0.7, False))
    # (90 x 0.8 + 10 x 0.5) / 100; only the 80 of a that were not tried are uncertain: sqrt(0.81 x 8/9 x 0.16 / 9)
    assert "20 of 100 mutants" in text
    assert "killed 77.0% +- 22.2% (at least 70%)" in text
    assert "a: 8 of 10 killed, 80% [49%, 94%] of its 90" in text  # Wilson's interval
    assert text.endswith("b: 5 of 10 killed")
    assert good


NAMES = [f"{module}.x_f__mutmut_{i}" for module in "ab" for i in range(50)]


def test_a_sample_takes_each_modules_mutants_in_turn_and_depends_on_the_seed():
    drawn = choose(NAMES, [], 20, 0)
    assert drawn == choose(NAMES[::-1], [], 20, 0)
    assert set(drawn) != set(choose(NAMES, [], 20, 1))
    assert [name[0] for name in drawn] == ["a", "b"] * 20
    assert len(set(drawn)) == 40
    assert drawn[:20] == choose(NAMES, [], 10, 0)  # a longer run goes on from a shorter one
    assert {name[2:] for name in drawn if name[0] == "a"} != {name[2:] for name in drawn if name[0] == "b"}


def test_without_a_sample_all_that_fit_the_patterns_are_chosen():
    assert sorted(choose(NAMES, [], None, 0)) == sorted(NAMES)
    assert set(choose(NAMES, ["b.*_7", "a.x_f__mutmut_0"], None, 0)) == {"b.x_f__mutmut_7", "a.x_f__mutmut_0"}


def test_every_listed_mutant_has_a_reason_and_is_listed_once():
    listed = listed_mutants()
    assert len({entry["name"] for entry in listed}) == len(listed)
    for entry in listed:
        assert entry["name"].startswith("calibrl_ref."), entry
        assert len(entry["reason"].split()) >= 4, entry
        assert entry["line"], entry
