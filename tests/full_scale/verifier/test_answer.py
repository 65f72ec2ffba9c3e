"""Which answers are right. The table of kinds with many answers each is answers.jsonl beside this file.

Its kinds and many of its examples come from public bug reports (huggingface/Math-Verify, hiyouga/EasyR1,
augustt198/latex2sympy) and published outputs (Deep-Agent/R1-V, lupantech/MathVista, mathllm/MATH-V).
"""

import dataclasses
import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from full_scale.data.verdicts import BY_SOURCE, official_score, scoring_of
from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.answer import (
    answer_matches,
    compared_as_text,
    equal_answers,
    extract_answer,
    is_correct,
    unboxed,
)
from full_scale.verifier.rewards import format_reward

FREE = Problem(id="1", source="s", question="q", answer="65")
CHOICE = Problem(
    id="2", source="s", question="q", answer="65°", choices=("50°", "60°", "65°", "90°"), answer_letter="C"
)
IN_PICTURE = Problem(id="3", source="s", question="q", answer="C")

ANSWERS = [
    json.loads(line) for line in (Path(__file__).parent / "answers.jsonl").read_text(encoding="utf-8").splitlines()
]

TRUTHS = [
    json.loads(line) for line in (Path(__file__).parent / "truths.jsonl").read_text(encoding="utf-8").splitlines()
]
"""One truth a line, with what is right and what is wrong for it."""

EQUAL = [
    ("145°", "145"),
    ("145^\\circ", "145°"),
    ("145 degrees", "145"),
    ("65 cm", "65"),
    ("15 cm^2", "15"),
    ("168", "168m²"),
    ("12 square feet", "12"),
    ("4\\sqrt{3}", "4 \\sqrt { 3 }"),
    ("\\frac { 17 \\sqrt { 2 } } { 2 }", "\\frac{17}{\\sqrt{2}}"),
    ("1/2", "0.5"),
    ("\\dfrac12", "\\frac{1}{2}"),
    ("24 \\pi", "24\\pi"),
    ("(7,3)", "(7, 3)"),
    ("1 : 3", "1:3"),
    ("1,234", "1234"),
    ("x = 5", "5"),
    ("\\boxed{73}", "73"),
    ("73.", "73"),
    ("$73$", "73"),
    ("73.0", "73"),
    ("Volume $=32.45 \\mathrm{~cm}^{3}$", "32.45"),
    ("32.45", "Volume $=32.45 \\mathrm{~cm}^{3}$"),
    ("=\\frac{7}{4}", "7/4"),
    ("24\\pi cm", "24\\pi"),
    ("36\\pi \\mathrm{cm}^3", "36\\pi"),
    ("2191.7", "2191.7 metres"),
    ("24 units", "24"),
    ("56.55", "56.55 units $^{3}$"),
    ("12平方厘米", "12"),
    ("\uff15\uff10度", "50"),
    ("35掳", "35"),
    ("isosceles triangle", "Isosceles triangle"),
    ("等腰三角形", "等腰三角形"),
    ("$$\\dfrac94$$", "\\frac{9}{4}"),
    ("\\{1,2\\}", "\\{2,1\\}"),
    ("5!", "120"),
    ("$3.5", "3.5"),  # an unbalanced dollar
    ("The answer is 65", "65"),
    ("Answer: $65^\\circ$", "65"),
    ("∠ABC = 65°", "65"),
    ("m\\angle ABC = 65^{\\circ}", "65"),
    ("AB = 4\\sqrt{3} cm", "4\\sqrt{3}"),
    ("y=x-5", "$y=x-5$"),
]
DIFFERENT = [
    ("", "65"),
    ("64", "65"),
    ("650", "65"),
    ("72 or 73", "73"),
    ("72, 73", "73"),
    ("72 73", "73"),
    ("not 72 but 73", "73"),
    ("4\\sqrt{2}", "4\\sqrt{3}"),
    ("6.93", "4\\sqrt{3}"),
    ("(3, 7)", "(7, 3)"),
    ("65 or so, maybe", "65"),
    ("1.234", "1234"),
    ("-5", "5"),
    ("triangle isosceles", "isosceles triangle"),
    ("y=5", "x=5"),
    ("∠ABC = 64°", "65"),
    ("cm", "65 cm"),
    ("°", "65°"),
    ("50\\%", "50.1"),
]
TOWERS = [
    "9^{9^{9^9}}",
    "9^9^9^9",
    "((9^{999})^{999})^{999}",
    "2^{100000000}",
    "1000000!",
    "9!!!!",
    "\\prod_{n=1}^{1000000} n",
    "(x+y+z)^{99}",
    "(x+1)^{30}(y+1)^{30}(z+1)^{30}",
    "9^(9^9)",
    "1" * 100_000,
    "(" * 5000,
]
"""Refused before the checker is asked."""

HOSTILE = [
    "\\binom{1000000}{500000}",
    "\\int_0^1 x^x^x dx",
    "\\sin(10^{100000})",
    "(" * 150,
    "{}" * 90,
    "\\frac" * 30,
    "\\sqrt{" * 25,
    "$" * 99,
    "\\left(" * 20,
    "1e999999999",
    "\0",
    "65\0\0",
    "\ud800",
    "\N{RIGHT-TO-LEFT OVERRIDE}56",
    "{" * 100 + "65" + "}" * 99,
]
"""Put to the checker, whose limits hold; "65" is not the ground truth in the test."""

LONG = {
    "one megabyte": "6" * 1_000_000,
    "no end": "<answer>" * 125_000,
    "only ends": "</answer>" * 110_000,
    "thoughts": "<think>" * 140_000 + "</think>" * 120_000,
    "thoughts and answers": "<think></think><answer>" * 40_000,
    "spaces": "<answer>^" + " " * 1_000_000 + "</answer>",
    "braces": "<answer>\\boxed{" + "{" * 500_000 + "</answer>",
    "boxes": "\\boxed{" * 120_000,
    "statements": "the answer is " * 70_000,
    "colons": "answer is" + ": " * 500_000,
    "lines": "is A.\n" * 170_000,
    "text commands": "<answer>" + "\\text{" * 160_000 + "</answer>",
}


def problem_of(case):
    choices = tuple(case.get("choices", ()))
    letter = "ABCD"[choices.index(case["truth"])] if choices else None
    return Problem(id="1", source="s", question="q", answer=case["truth"], choices=choices, answer_letter=letter)


@pytest.mark.parametrize("case", TRUTHS, ids=lambda case: f"{case['kind']}: {case['truth']}")
def test_what_is_right_and_what_is_wrong_for_a_truth(case):
    choices = tuple(case.get("choices", ()))
    letter = LETTERS[choices.index(case["truth"])] if choices else None
    problem = dataclasses.replace(FREE, answer=case["truth"], choices=choices, answer_letter=letter)
    refused = [answer for answer in case["right"] if not answer_matches(answer, problem)]
    accepted = [answer for answer in case["wrong"] if answer_matches(answer, problem)]
    assert (refused, accepted) == ([], [])


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: f"{case['kind']}: {case['truth']!r} {case['answer']!r}")
def test_answers_of_every_kind(case):
    response = f"<think>t</think><answer>{case['answer']}</answer>"
    assert is_correct(response, problem_of(case)) is case["right"]


def test_every_kind_has_at_least_three_answers_and_none_is_there_twice():
    assert min(Counter(case["kind"] for case in ANSWERS).values()) >= 3
    assert len({json.dumps(case, sort_keys=True) for case in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize(("text", "truth"), EQUAL)
def test_equal_answers(text, truth):
    assert equal_answers(text, truth)


@pytest.mark.parametrize(("text", "truth"), DIFFERENT)
def test_different_answers(text, truth):
    assert not equal_answers(text, truth)


@pytest.mark.parametrize(
    "text",
    [
        "C",
        "(C)",
        "C.",
        "C: 65°",
        "option C",
        "The answer is C",
        "**C**",
        "$\\text{C}$",
        "\uff08\uff23\uff09",
        "选C",
        "答案\uff1aC",
        "65°",
        "65",
        "65 degrees",
        "\\boxed{C}",
    ],
)
def test_a_choice_may_be_given_by_letter_or_by_text(text):
    assert is_correct(f"<think>t</think><answer>{text}</answer>", CHOICE)


@pytest.mark.parametrize(
    "text", ["A", "(D)", "60°", "60", "C, D", "C or D", "ABCD", "Circle", "A: 65°", "Compute", "BC", ""]
)
def test_a_wrong_or_ambiguous_choice_is_refused(text):
    assert not is_correct(f"<answer>{text}</answer>", CHOICE)


def test_choices_that_differ_in_their_units_only():
    choices = ("8 cm", "8 cm²", "9 cm")
    problem = Problem(id="1", source="s", question="q", answer="8 cm²", choices=choices, answer_letter="B")
    assert answer_matches("8 cm²", problem)
    assert answer_matches("B", problem)
    assert answer_matches("8", problem)
    assert not answer_matches("8 cm", problem)
    assert not answer_matches("9 cm", problem)


def test_a_letter_whose_choices_are_in_the_picture():
    assert answer_matches("C", IN_PICTURE)
    assert answer_matches("C: the circle", IN_PICTURE)
    assert not answer_matches("D", IN_PICTURE)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<answer>65</answer>", "65"),
        ("<think>t</think> so <answer> 65\n</answer> done", "65"),
        ("<answer>65</answer><answer>65</answer>", "65"),
        ("<answer>65</answer><answer>1</answer>", None),
        ("<answer>1</answer><answer>65</answer>", None),
        ("<think>guess <answer>1</answer></think><answer>65</answer>", "65"),
        ("<think>guess <answer>65</answer></think><answer>1</answer>", "1"),
        ("<think>guess <answer>65</answer></think>", None),
        ("<think>never ends <answer>65</answer>", None),
        ("<answer>65</answer><think>never ends <answer>1</answer>", "65"),
        ("<think>a</think>b<think>c <answer>65</answer>", None),
        ("<think>a</think><answer>65</answer><think>but <answer>1</answer>", "65"),
        ("a template opened the thought</think><answer>65</answer>", "65"),
        ("<think>a</think>b<think>c</think><answer>65</answer>", "65"),
        ("65", None),
        ("<answer>65", None),
        ("<answer>65</answer><answer>66", None),
        ("<answer><answer>65</answer></answer>", None),
        ("</answer><answer>65</answer>", "65"),
        ("<answer></answer>", ""),
    ],
)
def test_the_answer_stands_after_the_thought_and_is_one(response, answer):
    assert extract_answer(response) == answer


def test_boxes_may_be_nested_and_the_last_one_counts():
    assert unboxed("\\boxed{1} then \\boxed{\\frac{1}{\\sqrt{2}}}.") == "\\frac{1}{\\sqrt{2}}"
    assert unboxed("no box") == "no box"
    assert unboxed("\\boxed{1") == "\\boxed{1"


def verdicts():
    return [equal_answers(text, "4") for text in TOWERS + HOSTILE] + [equal_answers(*pair) for pair in EQUAL]


def test_no_answer_stalls_the_check_in_any_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(verdicts()), daemon=True)
    thread.start()
    thread.join(timeout=300)
    assert found == [[False] * len(TOWERS + HOSTILE) + [True] * len(EQUAL)]


@pytest.mark.parametrize("name", LONG)
def test_a_response_of_a_megabyte_takes_no_time(name):
    start = time.process_time()
    assert not is_correct(LONG[name], FREE)
    assert format_reward(LONG[name]) in (0.0, 1.0)
    assert is_correct(LONG[name] + "<answer>65</answer>", CHOICE) in (True, False)
    assert official_score(LONG[name], CHOICE) is None
    for source in filter(scoring_of, BY_SOURCE):
        assert official_score(LONG[name], dataclasses.replace(CHOICE, source=source)) in (True, False)
    assert time.process_time() - start < 30  # quadratic patterns take hours


def test_answers_with_words_are_compared_as_text():
    def one(answer, **choices):
        return compared_as_text(Problem(id="1", source="s", question="q", answer=answer, **choices))

    assert all(map(one, ["isosceles triangle", "等腰三角形", "9^{9^9}", "x+" * 150]))
    assert not any(map(one, ["65", "4\\sqrt{3}", "x+1", "\\sin x", "2 cos x", "C", "65 cm", "\\infty"]))
    assert not one("like this", choices=("like this",), answer_letter="A")
