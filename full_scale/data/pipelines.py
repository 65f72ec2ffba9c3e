"""Generated programming tasks: a function that takes its argument through a pipeline of two or three steps.

The question names the steps and shows two examples; eight further tests are hidden. The expert has one thought a step,
then the program. A hash of the steps puts one pipeline in five into the test split, whatever the seed.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from full_scale.data.generated import Split, draw_until, generated_schema, split_of
from full_scale.data.schema import PROGRAM_REWARD_RULE
from full_scale.problems.code_task import Case, CodeTask
from full_scale.problems.problem import Problem

CASES, SHOWN = 10, 2
"""Tests of a problem, and how many of them the question shows."""


@dataclass(frozen=True)
class Step:
    """One step: how the question calls it, and the expression that takes ``x`` through it.

    Args:
        words: With "K" where a number stands.
        code: The expression, with "K" too.
        takes: What ``x`` is before it: "numbers" or "words".
        gives: What it is after it; only "one" ends a pipeline.
        mistaken: An expression that it is easily taken for.
    """

    words: str
    code: str
    takes: str
    gives: str
    mistaken: str


STEPS = (
    Step("add K", "[i + K for i in x]", "numbers", "numbers", mistaken="[i - K for i in x]"),
    Step("subtract K", "[i - K for i in x]", "numbers", "numbers", mistaken="[i + K for i in x]"),
    Step("times K", "[i * K for i in x]", "numbers", "numbers", mistaken="[i + K for i in x]"),
    Step("square", "[i * i for i in x]", "numbers", "numbers", mistaken="[i + i for i in x]"),
    Step("negate", "[-i for i in x]", "numbers", "numbers", mistaken="[i for i in x]"),
    Step("keep even", "[i for i in x if i % 2 == 0]", "numbers", "numbers", mistaken="[i for i in x if i % 2 == 1]"),
    Step("keep odd", "[i for i in x if i % 2 == 1]", "numbers", "numbers", mistaken="[i for i in x if i % 2 == 0]"),
    Step("keep over K", "[i for i in x if i > K]", "numbers", "numbers", mistaken="[i for i in x if i < K]"),
    Step("sort", "sorted(x)", "numbers", "numbers", mistaken="x[::-1]"),
    Step("reverse", "x[::-1]", "numbers", "numbers", mistaken="sorted(x)"),
    Step("drop K", "x[K:]", "numbers", "numbers", mistaken="x[:K]"),
    Step("take K", "x[:K]", "numbers", "numbers", mistaken="x[K:]"),
    Step("sum", "sum(x)", "numbers", "one", mistaken="len(x)"),
    Step("count", "len(x)", "numbers", "one", mistaken="sum(x)"),
    Step("upper case", "[i.upper() for i in x]", "words", "words", mistaken="[i.lower() for i in x]"),
    Step("reverse each", "[i[::-1] for i in x]", "words", "words", mistaken="x[::-1]"),
    Step(
        "keep longer than K", "[i for i in x if len(i) > K]", "words", "words", mistaken="[i for i in x if len(i) < K]"
    ),
    Step("sort words", "sorted(x)", "words", "words", mistaken="x[::-1]"),
    Step("reverse words", "x[::-1]", "words", "words", mistaken="sorted(x)"),
    Step("lengths", "[len(i) for i in x]", "words", "numbers", mistaken="len(x)"),
    Step("join", "''.join(x)", "words", "one", mistaken="' '.join(x)"),
)
"""All steps."""

_WORDS = ["a", "be", "cat", "door", "eagle", "if", "sun", "tree", "apple", "on", "dog", "fish"]


def pipeline_problems(count: int, *, seed: int, split: Split) -> list[Problem]:
    """Random tasks; the same arguments give the same, and the splits share no pipeline.

    Args:
        count: Number of problems.
        seed: Of steps, numbers and examples.
        split: "train" or "test".

    Returns:
        Problems with a task of :data:`CASES` cases, which want at least two different values.

    Raises:
        ValueError: The count is below 1, or there is no such split.
    """

    def draw(place: int, rng: random.Random) -> Problem | None:
        """A task whose shown cases want different values."""
        steps = _draw(rng)
        if steps is None or split_of(_named(steps)) != split:
            return None
        cases = _cases(steps, rng)
        telling = len({case.wanted for case in cases if case.shown}) == SHOWN
        return _problem(f"{split}-{seed}-{place}", steps, cases) if telling else None

    return draw_until(count, seed=seed, split=split, draw=draw)


def careless(problem: Problem, rng: random.Random, *, share: float) -> Problem:
    """The problem with the solution of an author who now and then takes a step for another.

    Args:
        problem: Of :func:`pipeline_problems`.
        rng: Draws where.
        share: Of the steps.

    Returns:
        The problem with another thought and program; its cases stay.
    """
    words = problem.question.splitlines()[0].removeprefix("f: ").split(", ")
    steps = [_step(one) for one in words]
    codes = [step.mistaken if rng.random() < share else step.code for step in steps]
    return replace(problem, answer=_program(codes), solution=_thoughts(words, codes))


def _step(words: str) -> Step:
    """The step that a question calls so.

    Example:
        >>> _step("keep over 3").code
        '[i for i in x if i > 3]'
    """
    number = next((word for word in words.split() if word.isdigit()), "K")
    return next(step for step in (_with(number, step) for step in STEPS) if step.words == words)


def _draw(rng: random.Random) -> list[Step] | None:
    """Two or three steps that fit each other, with numbers in them; None where a drawn one ends the pipeline early."""
    steps: list[Step] = []
    kind = rng.choice(("numbers", "words"))
    for _ in range(rng.choice((2, 3))):
        fitting = [step for step in STEPS if step.takes == kind]
        if not fitting:
            return None
        step, number = rng.choice(fitting), str(rng.randint(2, 5))
        steps.append(_with(number, step))
        kind = step.gives
    return steps


def _with(number: str, step: Step) -> Step:
    return replace(step, **{name: getattr(step, name).replace("K", number) for name in ("words", "code", "mistaken")})


def _named(steps: list[Step]) -> str:
    return ", ".join(step.words for step in steps)


def _cases(steps: list[Step], rng: random.Random) -> tuple[Case, ...]:
    function, cases = _function(steps), []
    for place in range(CASES):
        length = rng.randint(3, 5)
        given = (
            [rng.randint(0, 9) for _ in range(length)]
            if steps[0].takes == "numbers"
            else [rng.choice(_WORDS) for _ in range(length)]
        )
        cases.append(Case(given=repr(given), wanted=repr(function(given)), shown=place < SHOWN))
    return tuple(cases)


def _function(steps: list[Step]) -> Callable[[object], Any]:
    names: dict[str, Any] = {}
    exec(_program([step.code for step in steps]), names)  # our own text
    return names["f"]  # type: ignore[no-any-return]


def _program(codes: Sequence[str]) -> str:
    lines = [f"    x = {code}\n" for code in codes[:-1]]
    return f"def f(x):\n{''.join(lines)}    return {codes[-1]}"


def _thoughts(words: Sequence[str], codes: Sequence[str]) -> str:
    return "\n".join(f"{said}: {code}" for said, code in zip(words, codes, strict=True))


def _problem(name: str, steps: list[Step], cases: tuple[Case, ...]) -> Problem:
    examples = "\n".join(f"f({case.given}) == {case.wanted}" for case in cases if case.shown)
    return Problem(
        id=name,
        source="pipelines",
        question=f"f: {_named(steps)}\n{examples}",
        answer=_program([step.code for step in steps]),
        solution=_thoughts([step.words for step in steps], [step.code for step in steps]),
        category=f"{len(steps)} steps",
        task=CodeTask(function="f", cases=cases),
    )


PIPELINES = generated_schema("pipelines", pipeline_problems, __file__, reward_rule=PROGRAM_REWARD_RULE)
