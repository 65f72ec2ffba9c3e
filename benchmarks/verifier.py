# ruff: noqa: SIM905  # word lists read best as text
"""Throughput of the verifier: answers a second of processor time, beside Hugging Face's math-verify.

python -m benchmarks verifier

The outputs are made of the forms that MATH-Vision's published outputs have (a thought, then a letter, a number, an
expression, words in a box or a sentence), the ground truths of the kinds that its problems have. Every cache is emptied
before every answer. Time is that of this process and of the checker's. The checker's start, once a run, is a row of its
own.
"""

import random
import resource
from collections.abc import Callable, Sequence
from functools import partial

from math_verify import parse, verify

from benchmarks.rows import Row, in_turns
from full_scale.problems.problem import Problem
from full_scale.verifier import answer, checker, grammar, units
from full_scale.verifier.official import mathvision
from full_scale.verifier.rewards import reward

CACHES = (
    answer.truth_readings,
    grammar.readings,
    units.unit_named,
    checker.symbolically_equal,
    checker.values_of,
)
Judge = Callable[[Problem, str, str], object]
LETTERS = "ABCDE"
TRUTHS = (
    *(["A", "B", "C", "D", "E"] * 4),
    *"1 2 3 4 5 6 8 10 12 24 36 60 150".split(),
    "2.5",
    "\\frac{1}{2}",
    "4\\sqrt{3}",
)
OPTIONS = (
    tuple(LETTERS),
    ("$14 \\mathrm{~cm}$", "$16 \\mathrm{~cm}$", "$18 \\mathrm{~cm}$", "$21 \\mathrm{~cm}$", "$24 \\mathrm{~cm}$"),
    ("$50^{\\circ}$", "$55^{\\circ}$", "$60^{\\circ}$", "$65^{\\circ}$", "$70^{\\circ}$"),
    ("$6+\\pi$", "$6+2 \\pi$", "$\\sqrt{2}$", "$12+\\pi$", "2:30"),
)
SAID = (
    *(["%s"] * 9),  # the truth, or another value of its kind
    *(
        "36^\\circ",
        "x=4",
        "12 cm",
        "45 minutes",
        "3\\pi",
        "(1,2)",
        "\\text{None of the above}",
        "2:30",
        "1,234",
        "\\frac12",
    ),
)
FORMS = (
    *("\\boxed{%s}", "The answer is \\boxed{%s}.", "%s", "(%s)", "The answer is (%s).", "So, the answer is %s."),
    *("\\[\\boxed{%s}\\]", "Therefore, the final answer is $\\boxed{%s}$.", "The answer should be %s"),
)
THOUGHT = (
    "Let the side be x. The first layer has 3 rows of 4 cubes, so 12 cubes, and the second has 2 x 4 = 8. "
    "Since \\(AB = CD\\), we have $\\frac{x}{2} + 3 = 7$ and the two triangles are similar.\n"
)


def outputs(count: int, *, seed: int = 0) -> list[tuple[Problem, str, str]]:
    """Problems with a response's thought and its answer.

    Args:
        count: How many; no two responses are the same.
        seed: Of the draws.

    Returns:
        Triples of a problem, a response without tags, and the answer alone.
    """
    draw = random.Random(seed)  # no secret
    made = []
    for number in range(count):
        truth = draw.choice(TRUTHS)
        problem = Problem(id=str(number), source="mathvision", question="q", answer=truth)
        if truth in LETTERS:
            choices = draw.choice(OPTIONS)
            right = choices[LETTERS.index(truth)]
            problem = Problem(
                id=str(number), source="mathvision", question="q", answer=right, choices=choices, answer_letter=truth
            )
        own = draw.choice((truth, draw.choice(LETTERS) if truth in LETTERS else str(draw.randrange(3000))))
        said = draw.choice(FORMS) % draw.choice(SAID).replace("%s", own)
        made.append((problem, f"{THOUGHT * draw.randrange(1, 8)}Case {number}.\n{said}", said))
    return made


def processor_seconds() -> float:
    """Of this process and of the checker's, which is ended for it."""
    checker.stop()
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of some work, a new checker's included."""
    start = processor_seconds()
    work()
    return processor_seconds() - start


def start_checker() -> None:
    """Ask the checker's child something that takes no time."""
    checker.values_of.cache_clear()
    checker.values_of("1")


def rate(judge: Judge, made: Sequence[tuple[Problem, str, str]]) -> float:
    """Answers a second of processor time, without any cache and without the checker's start.

    Args:
        judge: What is measured.
        made: Of :func:`outputs`.

    Returns:
        Answers per second.
    """

    def work() -> None:
        """Judge all with a checker that is there already."""
        start_checker()
        for problem, response, said in made:
            for cache in CACHES:
                cache.cache_clear()
            judge(problem, response, said)

    return len(made) / (seconds(work) - seconds(start_checker))


def tagged(problem: Problem, response: str, said: str) -> object:
    """The training reward of the response with tags."""
    return reward(f"<think>{response}</think><answer>{said}</answer>", problem, format_weight=0.1)


def untagged(problem: Problem, response: str, _: str) -> object:
    """MATH-Vision's own score of the response as it is."""
    return mathvision(response, problem)


def math_verify_alone(problem: Problem, response: str, said: str) -> object:
    """Hugging Face's math-verify on the tagged answer; it knows neither choices nor tags."""
    return verify(parse(f"${problem.answer}$"), parse(f"\\boxed{{{said}}}"))


def rows(count: int = 1500, turns: int = 2) -> list[Row]:
    """The training reward and MATH-Vision's own score beside math-verify, and the checker's start."""
    made = outputs(count)
    found = [Row.of("the checker's start", "s", [seconds(start_checker) for _ in range(turns)])]
    for name, judge in (("training reward", tagged), ("MATH-Vision's own score", untagged)):
        ours, theirs = in_turns(
            partial(rate, judge, made), partial(rate, math_verify_alone, made[: count // 10]), turns
        )
        found.append(Row.of(name, "answers/s", ours, peer="math-verify", theirs=theirs, rate=True))
    return found
