"""Each exercise refuses typical wrong answers, with a hint that names what is wrong."""

import re

import pytest
from course.bugs import PATIENTS
from course.build import sources
from course.exercises import verdict
from wrong_answers import RIGHT, WRONG

CASES = [
    pytest.param(number, answer, words, id=f"{number}-{place}")
    for number, answers in WRONG.items()
    for place, (answer, words) in enumerate(answers)
]


@pytest.mark.parametrize(("number", "answer", "words"), CASES)
def test_a_wrong_answer_is_refused_and_its_hint_names_the_error(number, answer, words):
    found = verdict(number, answer)
    assert not found.right
    assert any(each in found.message for each in (words if isinstance(words, tuple) else (words,))), found.message


def solutions():
    """What a reader has to find: the last expression of each folded solution, by exercise."""
    for source in sources():
        parts = re.split(r"### Exercise (\d+\.\d)", source.read_text(encoding="utf-8"))
        for number, part in zip(parts[1::2], parts[2::2], strict=True):
            code = re.search(r"^# ```python\n(.*?)^# ```", part, re.MULTILINE | re.DOTALL)[1]
            yield number, re.split(r"return | = ", code.strip())[-1].strip()


@pytest.mark.parametrize(("number", "solution"), list(solutions()))
def test_no_hint_tells_the_solution(number, solution):
    for answer, _ in WRONG[number]:
        assert solution.isidentifier() or not re.search(
            rf"(?<!\w){re.escape(solution)}(?!\w)", verdict(number, answer).message
        )


@pytest.mark.parametrize("number", RIGHT)
def test_a_right_answer_of_another_form_is_right(number):
    assert all(verdict(number, answer).right for answer in RIGHT[number])


def test_every_exercise_has_at_least_three_wrong_answers():
    asked = {
        line.split('"')[1] for source in sources() for line in source.read_text().splitlines() if "check(" in line[:6]
    }
    assert set(WRONG) == asked
    assert all(len(answers) >= 3 for answers in WRONG.values())


def test_a_patient_that_is_printed_does_not_tell_its_fault():
    for bug in PATIENTS.values():
        assert bug.name not in repr(bug)
        assert bug.planted not in repr(bug)
