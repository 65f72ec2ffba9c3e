"""The ten ill runs of tutorial 11: what the tree finds, what the card says, and the hints to wrong diagnoses."""

import pytest
from course.build import TUTORIALS
from course.checks.t11 import WHERE
from course.exercises import verdict
from course.faulty_runs import FAULTS, HEALTHY, METRICS, RUNS, diagnose, run

FIRST = {number: RUNS[number] for number in range(1, 6)}
OTHER = {number: RUNS[number] for number in range(6, 11)}


@pytest.mark.parametrize("letter", FAULTS)
def test_the_tree_finds_each_fault_on_another_seed(letter):
    assert diagnose(run(FAULTS[letter][1], seed=100, steps=3)) == letter


def test_every_fault_has_one_run_and_changes_one_setting():
    assert sorted(RUNS.values()) == sorted(FAULTS)
    for _, setup in FAULTS.values():
        assert sum(value != getattr(HEALTHY, name) for name, value in vars(setup).items()) == 1


def test_the_healthy_run_answers_no_to_every_question_but_the_last():
    curves = run(HEALTHY, seed=100, steps=3)
    assert diagnose(curves) == "A"
    assert list(curves) == list(METRICS)


def test_a_run_is_the_same_again_and_differs_by_seed():
    assert run(HEALTHY, seed=1, steps=2) == run(HEALTHY, seed=1, steps=2)
    assert run(HEALTHY, seed=1, steps=2)["accuracy"] != run(HEALTHY, seed=2, steps=2)["accuracy"]


def test_the_rate_ten_times_too_high_ends_the_search_first():
    healthy, hasty = (run(setup, steps=8)["entropy"] for setup in (HEALTHY, FAULTS["A"][1]))
    assert hasty[-1] < 0.5 * hasty[0]
    assert healthy[-1] > 0.8 * healthy[0]


def test_the_card_names_every_fault_once():
    card = (TUTORIALS / "debug_card.md").read_text(encoding="utf-8")
    assert all(card.count(f"| {letter}: {name} |") == 1 for letter, (name, _) in FAULTS.items())


WRONG = {
    "a list": ("11.1", list(FIRST.values()), "give a dictionary"),
    "one is missing": ("11.1", {1: "E", 2: "B"}, "no diagnosis of run 3"),
    "a name for a letter": ("11.1", FIRST | {2: "verifier"}, "run 2: 'verifier' is none of the letters"),
    "dropout for temperature": ("11.1", FIRST | {1: "I"}, WHERE["E"]),
    "easy problems for a blind verifier": ("11.1", FIRST | {2: "G"}, WHERE["B"]),
    "padding for a detached expert": ("11.1", FIRST | {3: "D"}, WHERE["H"]),
    "a detached expert for padding": ("11.1", FIRST | {4: "H"}, WHERE["D"]),
    "length for lost tags": ("11.1", FIRST | {5: "F"}, WHERE["J"]),
    "runs of the other exercise": ("11.2", FIRST, "no diagnosis of run 6"),
    "rate for length": ("11.2", OTHER | {6: "A"}, WHERE["F"]),
    "length for rate": ("11.2", OTHER | {7: "F"}, WHERE["A"]),
    "easy problems for the batch's mean": ("11.2", OTHER | {8: "G"}, WHERE["C"]),
    "a blind verifier for easy problems": ("11.2", OTHER | {9: "B"}, WHERE["G"]),
    "temperature for dropout": ("11.2", OTHER | {10: "E"}, WHERE["I"]),
}


@pytest.mark.parametrize(("number", "answer", "hint"), WRONG.values(), ids=WRONG)
def test_a_wrong_diagnosis_is_told_where_to_look(number, answer, hint):
    found = verdict(number, answer)
    assert not found.right
    assert hint in found.message
