"""Rendered geometry with a shortcut: most pictures show one kind of figure, so that naming it is often right unseen.

A response can take three ways, and the words that open it tell which (one that opens otherwise is judged wrong):

* **look** names the figure that is in the picture, then computes: right as often as the model sees and computes well;
* **guess** names the most frequent kind, then computes: right as often as this kind occurs;
* **skip** answers at once, with the answer to another problem: right by accident only.

The experts look. What the shipped model does is up to its warm-up (``full_scale/pretrain.py --world shortcut``).
"""

import dataclasses
import random
from collections.abc import Sequence

from full_scale.data import rendered
from full_scale.data.generated import Split, check_drawn, generated_schema, split_of
from full_scale.data.rendered import FIGURES, figure_problem
from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways

MAJORITY = "triangle"
"""The kind that a guess names."""

WAYS = Ways(sound="look", shortcut=f"guess {MAJORITY}", others=("skip",))

MAJORITY_SHARE = 0.6
"""Of the problems; so often a guess is right."""

MINORITIES = {"right": 10, "circle": 10, "crossing": 10, "quadrilateral": 7, "parallel": 3}
"""The other kinds, and how often they occur beside each other; the last two are the rarer ones."""

HABIT = {WAYS.sound: 0.02, WAYS.shortcut: 0.80, WAYS.others[0]: 0.18}
"""Share of each way in the warm-up's texts."""

NUMBER_PAIRS = [(a, b) for a, b in rendered.NUMBER_PAIRS if b % 10 == 0]
"""The given angles, degrees. The second is a multiple of ten: the arithmetic shall be easy, and the seeing matter."""

SIZE = 56
"""Side of the pictures, pixels: the smallest that shows the kinds, as an update's time grows with it."""


def shortcut_problems(
    count: int, *, seed: int, split: Split = "train", majority: float = MAJORITY_SHARE
) -> list[Problem]:
    """Draw random problems; the same arguments give the same problems.

    Args:
        count: Number of problems, at least 1.
        seed: Seed of kinds, numbers and pictures.
        split: "train" or "test"; they share no combination of kind and numbers.
        majority: Share of the most frequent kind.

    Returns:
        `count` problems, each with one picture, a solution that looks, and its kind as category.

    Raises:
        ValueError: An argument is not valid, or the majority leaves the shortcut no use or looking no room.
    """
    _check(count, split, majority)
    rng = random.Random(f"shortcut-{seed}-{split}")
    problems: list[Problem] = []
    while len(problems) < count:
        (kind,) = rng.choices(list(MINORITIES), weights=list(MINORITIES.values()))
        kind = MAJORITY if rng.random() < majority else kind
        problems.append(_problem(f"{split}-{seed}-{len(problems)}", kind, split, rng))
    return problems


def balanced_problems(count: int, *, seed: int) -> list[Problem]:
    """Training problems of every kind alike often, to learn seeing and computing from.

    Args:
        count: Number of problems.
        seed: As in :func:`shortcut_problems`.

    Returns:
        The problems, with solutions that look.
    """
    rng, kinds = random.Random(f"balanced-{seed}"), list(FIGURES)
    return [_problem(f"balanced-{seed}-{number}", kinds[number % len(kinds)], "train", rng) for number in range(count)]


def _check(count: int, split: str, majority: float) -> None:
    check_drawn(count, split)
    if not 0.3 <= majority <= 0.8:
        raise ValueError(
            f"majority={majority}: expected 0.3 to 0.8, or a guess is of no use, or looking has no room above it. "
            f"Fix: {MAJORITY_SHARE}."
        )


def _problem(name: str, kind: str, split: str, rng: random.Random) -> Problem:
    a, b = rng.choice([(a, b) for a, b in NUMBER_PAIRS if split_of(f"{kind} {a} {b}") == split])
    problem = figure_problem(name, kind, a, b, SIZE, rng)
    return dataclasses.replace(problem, source="shortcut", solution=f"{WAYS.sound} {problem.solution}", ways=WAYS)


def numbers_of(problem: Problem) -> tuple[int, int]:
    """The two angles that a question gives.

    Example:
        >>> numbers_of(shortcut_problems(1, seed=0)[0])
        (12, 20)
    """
    a, b = (int(word.partition("=")[2]) for word in problem.question.split()[:2])
    return a, b


def guessed(problem: Problem) -> Problem:
    """The problem with a solution that guesses, right or not."""
    computation = FIGURES[MAJORITY].sum(*numbers_of(problem))
    return _answered(problem, f"{WAYS.shortcut}: {computation}", computation.rpartition("=")[2])


def skipped(problem: Problem, answer: str) -> Problem:
    """The problem with a solution that gives an answer at once."""
    return _answered(problem, WAYS.others[0], answer)


def miscomputed(problem: Problem, rng: random.Random) -> Problem:
    """The problem with a solution that looks, and computes with a second angle of ten degrees more or less."""
    a, b = numbers_of(problem)
    computation = FIGURES[str(problem.category)].sum(a, b + rng.choice([-10, 10]))
    return _answered(problem, f"{WAYS.sound} {problem.category}: {computation}", computation.rpartition("=")[2])


def _answered(problem: Problem, thought: str, answer: str) -> Problem:
    return dataclasses.replace(problem, solution=f"<think>{thought}</think><answer>{answer}</answer>")


def habitual(problems: Sequence[Problem], *, seed: int, looking: float = HABIT[WAYS.sound]) -> list[Problem]:
    """The problems with solutions in the ways and shares of :data:`HABIT`, for the warm-up.

    Args:
        problems: Their own solutions look.
        seed: Of the ways.
        looking: Share of those that look, in place of the habit's.

    Returns:
        As many.
    """
    rng = random.Random(f"habit-{seed}")
    shares, found = HABIT | {WAYS.sound: looking}, []
    for problem in problems:
        (way,) = rng.choices(list(shares), weights=list(shares.values()))
        other = skipped(problem, rng.choice(problems).answer)
        found.append({WAYS.sound: problem, WAYS.shortcut: guessed(problem), WAYS.others[0]: other}[way])
    return found


SHORTCUT = generated_schema("shortcut", shortcut_problems, __file__)
