"""Checks of the exercises of tutorial 8."""

from collections.abc import Mapping

from course.bugs import HEALTHY, PATIENTS, Check, catches
from course.exercises import exercise


def _catches_by_fault(answer: Check, *faults: str) -> None:
    """Raise unless a check passes the healthy core and catches the patients with these faults."""
    assert not catches(answer, HEALTHY), "your check finds the healthy core ill: a false alarm"
    missed = sum(not catches(answer, bug.core) for bug in PATIENTS.values() if bug.name in faults)
    assert not missed, f"{missed} of {len(faults)} patients with such a fault get away"


@exercise("8.1")
def padding(answer: Check) -> str:
    """Two faults let padding into the loss."""
    _catches_by_fault(answer, "missing mask", "padding counted")
    return "both patients whose loss depends on padding are caught, and the healthy one is left alone"


@exercise("8.2")
def quadrants(answer: Check) -> str:
    """Three faults change who is pushed where."""
    _catches_by_fault(answer, "wrong sign", "slope swapped", "expert detached")
    return "all three patients that push somebody the wrong way, or not at all, are caught"


@exercise("8.3")
def diagnoses(answer: Mapping[int, str]) -> str:
    """Ten names."""
    unknown = sorted({str(name) for name in answer.values()} - {bug.name for bug in PATIENTS.values()} - {"?"})
    assert not unknown, f"no patient has one of these: {unknown}; the names are printed above"
    right = sum(answer.get(number) == bug.name for number, bug in PATIENTS.items())
    assert right == len(PATIENTS), f"{right} of {len(PATIENTS)} diagnoses are right"
    return "ten of ten"
