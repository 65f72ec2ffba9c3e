"""The bars of ``make mutants``: what counts as killed, as equivalent, and as a failure."""

import pytest
from report import Bars, changed_line, listed_mutants, report

ENTRY = {"name": "m.x__mutmut_1", "line": "return b", "reason": "b is a"}


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
    assert "killed 9 (90.0%, at least 97%), equivalent 1 (10.0%, at most 3%; listed in mutants.toml), other 0" in text


def test_survivors_need_not_be_listed_where_the_bars_do_not_ask_for_it():
    status = verdicts(9, **{"m.x__mutmut_1": "survived"})
    lines = {"m.x__mutmut_1": "return b"}
    assert report(status, lines, [], Bars(killed_at_least=0.9, all_survivors_listed=False))[1]
    assert not report(status, lines, [], Bars(killed_at_least=0.91, all_survivors_listed=False))[1]


def test_the_report_counts_by_module():
    text, _ = report({"a.f__mutmut_1": "killed", "a.f__mutmut_2": "survived"}, {"a.f__mutmut_2": ""}, [], Bars())
    assert "a: 1 of 2 killed" in text


def test_every_listed_mutant_has_a_reason_and_is_listed_once():
    listed = listed_mutants()
    assert len({entry["name"] for entry in listed}) == len(listed)
    for entry in listed:
        assert entry["name"].startswith("calibrl_ref."), entry
        assert len(entry["reason"].split()) >= 4, entry
        assert entry["line"], entry
