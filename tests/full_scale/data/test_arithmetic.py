"""The generated sums."""

import re
from collections import Counter

import pytest

from full_scale.data import expert_response, load_problems
from full_scale.data.arithmetic import LEVELS, Level, Sum, _draw, arithmetic_problems
from full_scale.verifier.answer import is_correct

STEP = re.compile(r"(\d+) ([+-]) (\d+) = (\d+)")


def sums_of(problem):
    """Each step of a solution; the order of a plus sign's numbers does not matter."""
    steps = [(sign, int(left), int(right)) for left, sign, right, _ in STEP.findall(problem.solution)]
    return {(sign, *sorted(numbers)) if sign == "+" else (sign, *numbers) for sign, *numbers in steps}


def test_no_step_of_a_training_solution_is_a_step_of_a_test_problem():
    train, test = (
        set().union(*(sums_of(one) for seed in range(4) for one in arithmetic_problems(1000, seed=seed, split=split)))
        for split in ("train", "test")
    )
    assert len(test) > 500
    assert not train & test


def test_the_order_of_the_numbers_makes_another_difference_but_not_another_sum():
    assert Sum(17, "+", 10).content == Sum(10, "+", 17).content == "10 + 17"
    assert Sum(17, "-", 10).content != Sum(10, "-", 17).content
    assert (Sum(17, "+", 10).result, Sum(17, "-", 10).result) == (27, 7)


def test_the_same_arguments_give_the_same_and_another_seed_gives_others():
    first = arithmetic_problems(50, seed=1, split="train")
    assert first == arithmetic_problems(50, seed=1, split="train")
    assert [one.question for one in first] != [one.question for one in arithmetic_problems(50, seed=2, split="train")]


def test_every_solution_works_out_its_question_step_by_step():
    for problem in load_problems("arithmetic", split="test", limit=200):
        asked = re.fullmatch(r"What is (.*)\?", problem.question)[1]
        steps = STEP.findall(problem.solution)
        assert problem.solution == "\n".join(f"{left} {sign} {right} = {end}" for left, sign, right, end in steps)
        for left, sign, right, end in steps:
            assert int(left) + int(f"{sign}{right}") == int(end) >= 0
        assert asked.split() == [steps[0][0], *(part for step in steps for part in step[1:3])]
        assert [step[0] for step in steps[1:]] == [step[3] for step in steps[:-1]]
        assert problem.answer == steps[-1][3]
        assert is_correct(expert_response(problem), problem)


def test_the_levels_come_in_turn_and_grow():
    problems = arithmetic_problems(500, seed=0, split="train")
    assert Counter(one.category for one in problems) == {f"level {number}": 100 for number in range(1, 6)}
    assert [one.category for one in problems[:6]] == [f"level {number}" for number in (1, 2, 3, 4, 5, 1)]
    longest = {one.category: max(len(number) for number in re.findall(r"\d+", one.question)) for one in problems}
    assert longest == {"level 1": 1, "level 2": 2, "level 3": 2, "level 4": 2, "level 5": 3}
    assert {len(STEP.findall(one.solution)) for one in problems if one.category == "level 4"} == {2}
    assert {level.signs for level in LEVELS[1:]} == {"+-"}


def test_zero_may_come_out_but_nothing_below_it():
    ends = {
        int(step[3]) for one in arithmetic_problems(3000, seed=0, split="train") for step in STEP.findall(one.solution)
    }
    assert min(ends) == 0


@pytest.mark.parametrize("sign", ["+", "-"])
def test_numbers_are_drawn_from_the_ranges_of_the_level_both_ends_included(sign):
    class Ends:
        """Draws the largest values, and the last sign."""

        def randint(self, least, most):
            return most

        def choice(self, signs):
            return signs[-1]

    assert _draw(Level(ranges=((1, 9), (2, 8), (1, 3)), signs=sign), Ends()) == [
        Sum(9, sign, 8),
        Sum(17 if sign == "+" else 1, sign, 3),
    ]
