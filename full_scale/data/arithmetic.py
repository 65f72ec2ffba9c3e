"""Generated sums in one line, "What is 17 + 10?", in levels from one digit to three; the expert writes each step.

Short questions and short answers: for a real language model on a small machine.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from full_scale.data.generated import Split, draw_until, generated_schema, split_of
from full_scale.problems.problem import Problem


@dataclass(frozen=True)
class Level:
    """How hard a sum is.

    Args:
        ranges: Smallest and largest value of each number in it.
        signs: What may stand between two numbers.
    """

    ranges: tuple[tuple[int, int], ...]
    signs: str


LEVELS = (
    Level(ranges=((1, 9), (1, 9)), signs="+"),
    Level(ranges=((10, 99), (2, 9)), signs="+-"),
    Level(ranges=((10, 99), (10, 99)), signs="+-"),
    Level(ranges=((10, 99), (10, 99), (10, 99)), signs="+-"),
    Level(ranges=((100, 999), (100, 999)), signs="+-"),
)
"""All levels, the easiest first; a problem's category is its level, counted from 1. No result is below zero."""


@dataclass(frozen=True)
class Sum:
    """A step: two numbers and the sign between them."""

    left: int
    sign: str
    right: int

    @property
    def result(self) -> int:
        """Its value."""
        return self.left + self.right if self.sign == "+" else self.left - self.right

    @property
    def content(self) -> str:
        """What makes it the sum that it is: 17 + 10 and 10 + 17 are one."""
        numbers = sorted((self.left, self.right)) if self.sign == "+" else (self.left, self.right)
        return f"{numbers[0]} {self.sign} {numbers[1]}"


def arithmetic_problems(count: int, *, seed: int, split: Split) -> list[Problem]:
    """Random sums, a problem of each level in turn; the same arguments give the same.

    Each step of a solution belongs to the problem's own split: what an expert of the training split works out is never
    a part of a test problem.

    Args:
        count: Number of problems.
        seed: Of the numbers and signs.
        split: "train" or "test".

    Returns:
        Problems, with their steps as solution and their level as category.

    Raises:
        ValueError: The count is below 1, or there is no such split.
    """

    def draw(place: int, rng: random.Random) -> Problem | None:
        """A sum of the next level."""
        number = place % len(LEVELS)
        steps = _draw(LEVELS[number], rng)
        own = all(step.result >= 0 and split_of(step.content) == split for step in steps)
        return _problem(f"{split}-{seed}-{place}", f"level {number + 1}", steps) if own else None

    return draw_until(count, seed=seed, split=split, draw=draw)


def _draw(level: Level, rng: random.Random) -> list[Sum]:
    first, *others = (rng.randint(least, most) for least, most in level.ranges)
    steps: list[Sum] = []
    for other in others:
        steps.append(Sum(steps[-1].result if steps else first, rng.choice(level.signs), other))
    return steps


def _problem(name: str, level: str, steps: Sequence[Sum]) -> Problem:
    asked = f"{steps[0].left}{''.join(f' {step.sign} {step.right}' for step in steps)}"
    return Problem(
        id=name,
        source="arithmetic",
        question=f"What is {asked}?",
        answer=str(steps[-1].result),
        solution="\n".join(f"{step.left} {step.sign} {step.right} = {step.result}" for step in steps),
        category=level,
    )


ARITHMETIC = generated_schema("arithmetic", arithmetic_problems, __file__)
