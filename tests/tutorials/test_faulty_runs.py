"""The ten ill runs of tutorial 11: what the tree finds, and what the card says."""

import pytest
from course.build import TUTORIALS
from course.faulty_runs import FAULTS, HEALTHY, METRICS, RUNS, diagnose, run


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
