"""What a program is asked to do: cases that can be read, the shown ones first."""

import pytest

from full_scale.problems.code_task import Case, CodeTask, arguments_of


def test_shown_cases_are_tried_first_in_their_order():
    cases = tuple(Case(given=str(n), wanted="1", shown=n in (2, 3)) for n in range(5))
    assert [case.given for case in CodeTask(function="f", cases=cases).shown_first] == ["2", "3", "0", "1", "4"]


@pytest.mark.parametrize(("given", "wanted"), [("x", "1"), ("1", "f(1)"), ("1", ""), ("1 +", "1"), ("(" * 500, "1")])
def test_a_case_that_is_no_literal_is_refused(given, wanted):
    with pytest.raises(ValueError, match="expected a Python literal"):
        CodeTask(function="f", cases=(Case(given=given, wanted=wanted),))


@pytest.mark.parametrize("preamble", ["import (", "\0", "-" * 9000 + "1"])
def test_a_preamble_that_is_no_python_is_refused(preamble):
    with pytest.raises(ValueError, match="expected Python"):
        CodeTask(function="f", cases=(Case(given="1", wanted="1"),), preamble=preamble)


def test_a_task_needs_a_case():
    with pytest.raises(ValueError, match="expected at least one"):
        CodeTask(function="f", cases=())


def test_the_text_of_a_program_that_reads_and_prints_is_any_text():
    CodeTask(function=None, cases=(Case(given="1 x", wanted="? !"),))


def test_one_argument_stays_one():
    assert arguments_of("(1, 2)") == ((1, 2),)
