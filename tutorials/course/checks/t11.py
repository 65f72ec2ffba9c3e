"""Checks of the exercises of tutorial 11."""

from collections.abc import Mapping

from course.exercises import exercise
from course.faulty_runs import FAULTS, RUNS

WHERE: Mapping[str, str] = {
    "A": "no question before the last is answered yes: compare the entropy's first steps with the healthy run's",
    "B": "look at the gradient, and at how many different rewards there are",
    "C": "look at the mean advantage of a group: what should it be?",
    "D": "look at how many tokens the loss counts",
    "E": "look at the sampler's log-probabilities, and whether scoring twice agrees",
    "F": "add up accuracy and format: is that the reward?",
    "G": "look at how many groups are all right or all wrong, and at the accuracy",
    "H": "look at the gradients: one of them never moves",
    "I": "begin with question 1: does scoring twice agree?",
    "J": "look at the parts of the reward, one by one",
}
"""Letter of a run's true fault -> what to look at."""


@exercise("11.1")
def first_five(answer: Mapping[int, str]) -> str:
    """Runs 1 to 5."""
    return _diagnoses(answer, range(1, 6))


@exercise("11.2")
def other_five(answer: Mapping[int, str]) -> str:
    """Runs 6 to 10."""
    return _diagnoses(answer, range(6, 11))


def _diagnoses(answer: Mapping[int, str], runs: range) -> str:
    assert isinstance(answer, Mapping), 'give a dictionary, as {1: "A", 2: "B"}'
    missing = [number for number in runs if number not in answer]
    assert not missing, f"no diagnosis of run {missing[0]}"
    for number in runs:
        given, true = answer[number], RUNS[number]
        assert given in FAULTS, f"run {number}: {given!r} is none of the letters {', '.join(FAULTS)}"
        assert given == true, f"run {number} has another fault: {WHERE[true]}"
    return "all five; each by one curve that is not the reward"
