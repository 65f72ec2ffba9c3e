"""Both verdicts of a response, and why they differ."""

import re

import pytest

from full_scale.data import DATASETS
from full_scale.data.verdicts import BY_SOURCE, Verdict, judge, official_score, scoring_of, why_different
from full_scale.problems.problem import Problem

CHOICE = {"question": "q", "choices": ("50°", "65°"), "answer": "65°", "answer_letter": "B", "id": "1"}
GEOMETRY3K, MATHVERSE, MATHVISTA = (
    Problem(source=source, **CHOICE) for source in ("geometry3k", "mathverse", "mathvista")
)


def tagged(text):
    return f"<think>t</think><answer>{text}</answer>"


def test_every_schema_but_the_programs_own_and_anybodys_has_a_scoring():
    without = {schema.name for schema in DATASETS.values() if schema.official is None}
    assert without == {"rendered", "shortcut", "arithmetic", "pipelines", "generic"}
    for schema in DATASETS.values():
        assert scoring_of(schema.source) == schema.official, "layouts of one benchmark share its scoring"
        assert schema.official is None or len(schema.official.rule) > 20
    assert "after the thought" in BY_SOURCE["mathvista"].reward_rule


def test_a_source_that_nobody_knows_has_no_scoring():
    assert scoring_of("mine") is None
    assert official_score("5", Problem(id="1", source="mine", question="q", answer="5")) is None


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


def test_a_score_that_is_not_comparable_has_a_warning_with_its_size():
    warned = {schema.source for schema in BY_SOURCE.values() if schema.official and schema.official.warning}
    assert warned == {"mathvista"}
    assert "348 of 1000 right there, 278 here" in scoring_of("mathvista").warning


def test_without_an_official_scoring_nothing_can_differ():
    rendered = Problem(id="1", source="rendered", question="q", answer="65")
    assert judge(tagged("65"), rendered) == Verdict(True, None, True)
    assert not judge(tagged("6"), rendered).differs
    said = "both read the same answer, the official scoring is stricter: there is none"
    assert why_different(tagged("65"), rendered) == said
