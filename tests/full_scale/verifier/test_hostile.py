"""Hostile answers: hundreds that would cost a symbolic library minutes or gigabytes cost this one next to nothing."""

import resource
import time

import pytest

from full_scale.data.verdicts import BY_SOURCE, official_score, scoring_of
from full_scale.problems.problem import Problem
from full_scale.verifier import checker, child
from full_scale.verifier.answer import equal_answers, is_correct
from full_scale.verifier.official import number

FREE = Problem(id="1", source="mathvision", question="q", answer="52")
TRUTHS = ("52", "x^2+1", "(1,2)", "\\sin x", "2^{10}", "isosceles triangle")
MANY = range(3, 13)
FAMILIES = {
    "binomials": lambda n: f"\\binom{{10^{{{n}}}}}{{10^{{{n - 1}}}}}",
    "plain binomials": lambda n: f"\\binom{{{10**n}}}{{{10**n // 2}}}",
    "nested left": lambda n: "\\left(" * (4 * n),
    "nested left, closed": lambda n: "\\left(" * (4 * n) + "1" + "\\right)" * (4 * n),
    "nested brackets": lambda n: "(" * (15 * n) + "5" + ")" * (15 * n),
    "nested braces": lambda n: "{" * (15 * n) + "5" + "}" * (15 * n),
    "towers": lambda n: "9^{" * n + "9" + "}" * n,
    "bare towers": lambda n: "9^" * n + "9",
    "python towers": lambda n: "9**" * n + "9",
    "bracket towers": lambda n: "9^(" * n + "9" + ")" * n,
    "powers of powers": lambda n: "(" * n + "99" + "^{99})" * n,
    "large powers": lambda n: f"2^{{{10**n}}}",
    "small powers": lambda n: f"2^{{-{10**n}}}",
    "powers of sums": lambda n: f"(x+y+z+w)^{{{n * 9}}}",
    "products of powers": lambda n: "(x+1)^{9}" * n,
    "factorials": lambda n: f"{10**n}!",
    "factorials of factorials": lambda n: "9" + "!" * n,
    "bracket factorials": lambda n: "(" * n + "9" + "!)" * n,
    "sums": lambda n: f"\\sum_{{k=1}}^{{{10**n}}} k^k",
    "products": lambda n: f"\\prod_{{k=1}}^{{{10**n}}} k",
    "integrals": lambda n: f"\\int_0^{n} x^{{x^x}} dx",
    "limits": lambda n: f"\\lim_{{x \\to {n}}} \\frac{{\\sin(x^x)}}{{x!}}",
    "sines of large numbers": lambda n: f"\\sin(10^{{{10**n}}})",
    "sines of towers": lambda n: "\\sin(" * n + "9^{99}" + ")" * n,
    "nested roots": lambda n: "\\sqrt{" * (3 * n) + "2" + "}" * (3 * n),
    "open roots": lambda n: "\\sqrt{" * (3 * n),
    "roots of large numbers": lambda n: f"\\sqrt{{{10 ** (9 * n) + 7}}}",
    "large roots": lambda n: f"\\sqrt[{10**n}]{{2}}",
    "nested fractions": lambda n: "\\frac{1}{1+" * n + "2" + "}" * n,
    "bare fractions": lambda n: "\\frac" * (6 * n),
    "long numbers": lambda n: "7" * (19 * n),
    "long decimals": lambda n: "0." + "3" * (19 * n),
    "exponents": lambda n: f"1e{10**n}",
    "matrices": lambda n: "\\begin{pmatrix}" + "1 & 2 \\\\" * n + "\\end{pmatrix}",
    "long tuples": lambda n: "(" + ",".join(["\\sqrt{2}^{\\sqrt{3}}"] * (2 * n)) + ")",
    "tuples of towers": lambda n: "(" + ",".join(["9^{9^{9}}"] * n) + ")",
    "long lists": lambda n: ",".join(map(str, range(18 * n))),
    "long sums": lambda n: "+".join(["\\frac{1}{7}"] * (6 * n)),
    "long products": lambda n: "(a+b)(c+d)" * n,
    "signs": lambda n: "-" * (9 * n) + "5",
    "dollars": lambda n: "$" * (19 * n),
    "accents": lambda n: "5" + "\u0301" * (9 * n),
}
HOSTILE = sorted({family(n) for family in FAMILIES.values() for n in MANY})


def processor_seconds():
    """Of this process and of the checker's, which is ended for it."""
    checker.stop()
    return sum(
        resource.getrusage(who)[part] for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN) for part in (0, 1)
    )


def test_there_are_hundreds():
    assert len(HOSTILE) >= 300


@pytest.mark.parametrize("truth", TRUTHS)
def test_hostile_answers_are_wrong_and_cost_nothing(truth):
    start = processor_seconds()
    slowest = 0.0
    for text in HOSTILE:
        began = time.process_time()
        assert not equal_answers(text, truth), text
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 1.0
    assert processor_seconds() - start < 5.0 * len(HOSTILE) / 128


@pytest.mark.slow
def test_hostile_answers_in_every_official_scoring():
    start = processor_seconds()
    facts = {"answer_type": "float", "precision": 1, "label": 1, "choice_nums": [1.0, 52.0]}
    for source in filter(scoring_of, BY_SOURCE):
        problem = Problem(id="1", source=source, question="q", answer="52", facts=facts)
        assert not any(official_score(f"<think>t</think><answer>{text}</answer>", problem) for text in HOSTILE)
    assert processor_seconds() - start < 5.0 * len(HOSTILE) / 128 * 2  # fourteen scorings, most share what they read


def test_hostile_truths_are_compared_as_written_and_cost_nothing():
    start = processor_seconds()
    assert not any(equal_answers("52", text) for text in HOSTILE)
    assert processor_seconds() - start < 5.0 * len(HOSTILE) / 128


def test_hostile_answers_need_little_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text in HOSTILE:
        assert not is_correct(f"<answer>{text}</answer>", FREE)
        number(text)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 * 1024  # KiB on Linux; the child's limit is the operating system's
    assert child.MEMORY <= 2**30
