"""Both verdicts of a response, and why they differ."""

import re

import pytest

from full_scale.problems.problem import Problem
from full_scale.verifier.official import OFFICIAL_SCORES
from full_scale.verifier.verdicts import OFFICIAL_RULES, Verdict, judge, why_different

CHOICE = {"question": "q", "choices": ("50°", "65°"), "answer": "65°", "answer_letter": "B", "id": "1"}
GEOMETRY3K, MATHVERSE, MATHVISTA = (
    Problem(source=source, **CHOICE) for source in ("geometry3k", "mathverse", "mathvista")
)


def tagged(text):
    return f"<think>t</think><answer>{text}</answer>"


def test_every_official_scoring_is_described():
    assert set(OFFICIAL_RULES) == set(OFFICIAL_SCORES)


@pytest.mark.parametrize(
    ("response", "problem", "verdict", "reason"),
    [
        (tagged("65"), GEOMETRY3K, Verdict(True, True, True), None),
        (
            tagged("B"),
            GEOMETRY3K,
            Verdict(True, False, True),
            "both read the same answer.* stricter: .*a letter does not count",
        ),
        ("so it is \\boxed{65}", GEOMETRY3K, Verdict(False, True, False), "no <answer> tags.*stated in the text"),
        ("65", GEOMETRY3K, Verdict(False, True, False), "no <answer> tags.*the whole response"),
        (
            tagged("65"),
            MATHVERSE,
            Verdict(True, False, True),
            "both read the same answer.* stricter: exactly the letter",
        ),
        (tagged("B"), MATHVERSE, Verdict(True, True, True), None),
        (tagged("66"), MATHVISTA, Verdict(False, True, True), "both read the same answer.* laxer: the choice nearest"),
    ],
)
def test_verdicts_and_reasons(response, problem, verdict, reason):
    assert judge(response, problem) == verdict
    assert verdict.differs == (reason is not None)
    if reason:
        assert re.search(reason, why_different(response, problem))


def test_without_an_official_scoring_nothing_can_differ():
    rendered = Problem(id="1", source="rendered", question="q", answer="65")
    assert judge(tagged("65"), rendered) == Verdict(True, None, True)
    assert not judge(tagged("6"), rendered).differs
