"""The world with a shortcut: how often a guess is right, what the experts show, what the warm-up's texts hold."""

import collections
import random
from itertools import pairwise

import pytest

from full_scale.data import expert_response, load_problems
from full_scale.data.shortcut import (
    HABIT,
    MAJORITY,
    WAYS,
    balanced_problems,
    guessed,
    habitual,
    miscomputed,
    shortcut_problems,
    skipped,
)
from full_scale.verifier.answer import is_correct


@pytest.fixture(scope="module")
def problems():
    return shortcut_problems(400, seed=0)


def right(problems):
    return sum(is_correct(expert_response(problem), problem) for problem in problems) / len(problems)


def test_a_guess_is_right_as_often_as_the_majority_occurs(problems):
    assert right([guessed(problem) for problem in problems]) == sum(p.category == MAJORITY for p in problems) / 400
    assert 0.53 < right([guessed(problem) for problem in problems]) < 0.67


def test_looking_is_always_right_and_a_skip_hardly_ever(problems):
    assert right(problems) == 1.0
    assert all(problem.solution.startswith(f"look {problem.category}: ") for problem in problems)
    assert right([skipped(problem, other.answer) for problem, other in pairwise(problems)]) < 0.05


def test_a_wrong_computation_looks_and_is_wrong(problems):
    wrong = [miscomputed(problem, random.Random(0)) for problem in problems[:50]]
    assert right(wrong) == 0.0
    assert {WAYS.taken(problem.solution) for problem in wrong} == {"look"}


def test_the_warm_up_s_texts_take_the_ways_in_their_shares(problems):
    taken = collections.Counter(WAYS.taken(expert_response(problem)) for problem in habitual(problems, seed=0))
    for way, share in HABIT.items():
        assert abs(taken[way] / 400 - share) < 0.06
    assert taken["look"] > 0


def test_splits_share_no_combination_and_seeds_differ():
    train, test = (
        {(p.category, p.question) for p in shortcut_problems(400, seed=0, split=s)} for s in ("train", "test")
    )
    assert not train & test
    first, again, other = (shortcut_problems(9, seed=seed) for seed in (3, 3, 4))
    assert [p.question for p in first] == [p.question for p in again] != [p.question for p in other]


def test_balanced_problems_show_every_kind_alike_often():
    counts = collections.Counter(problem.category for problem in balanced_problems(60, seed=0))
    assert set(counts.values()) == {10}


def test_it_is_a_data_set_by_name_whose_problems_know_their_ways():
    (problem,) = load_problems("shortcut", limit=1, seed=5)
    assert (problem.source, problem.ways) == ("shortcut", WAYS)
    assert problem.images[0].size == (56, 56)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"majority": 0.95}, "majority=0.95: expected 0.3 to 0.8, or .* looking has no room"),
        ({"majority": 0.1}, "a guess is of no use"),
    ],
)
def test_a_world_without_room_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        shortcut_problems(**{"count": 1, "seed": 0, **arguments})
