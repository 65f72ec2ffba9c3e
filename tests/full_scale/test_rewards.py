import threading
import time

import pytest

from full_scale.problem import Problem
from full_scale.rewards import accuracy_reward, answer_matches, equal_answers, format_reward, is_correct, unboxed

FREE = Problem(id="1", source="s", question="q", answer="65")
CHOICE = Problem(
    id="2", source="s", question="q", answer="65°", choices=("50°", "60°", "65°", "90°"), answer_letter="C"
)
IN_PICTURE = Problem(id="3", source="s", question="q", answer="C")

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
]
ENDLESS = [
    "9^{9^{9^9}}",
    "9^9^9^9",
    "((9^{999})^{999})^{999}",
    "2^{100000000}",
    "1000000!",
    "9!!!!",
    "\\prod_{n=1}^{1000000} n",
    "\\binom{1000000}{500000}",
    "(x+y+z)^{99}",
    "(x+1)^{30}(y+1)^{30}(z+1)^{30}",
    "9^(9^9)",
    "1" * 100000,
    "(" * 5000,
]


@pytest.mark.parametrize(("text", "truth"), EQUAL)
def test_equal_answers(text, truth):
    assert equal_answers(text, truth)


@pytest.mark.parametrize(("text", "truth"), DIFFERENT)
def test_different_answers(text, truth):
    assert not equal_answers(text, truth)


@pytest.mark.parametrize("text", ["C", "(C)", "C.", "C: 65°", "option C", "65°", "65", "65 degrees", "\\boxed{C}"])
def test_a_choice_may_be_given_by_letter_or_by_text(text):
    assert is_correct(f"<think>t</think><answer>{text}</answer>", CHOICE)


@pytest.mark.parametrize("text", ["A", "(D)", "60°", "60", "C, D", "C or D", "ABCD", "Circle", "A: 65°", ""])
def test_a_wrong_or_ambiguous_choice_is_refused(text):
    assert not is_correct(f"<answer>{text}</answer>", CHOICE)


def test_a_letter_whose_choices_are_in_the_picture():
    assert answer_matches("C", IN_PICTURE)
    assert answer_matches("C: the circle", IN_PICTURE)
    assert not answer_matches("D", IN_PICTURE)


def test_the_first_answer_counts_and_the_tags_are_needed():
    assert accuracy_reward("<answer>65</answer><answer>1</answer>", FREE) == 1.0
    assert accuracy_reward("<answer>1</answer><answer>65</answer>", FREE) == 0.0
    assert accuracy_reward("65", FREE) == 0.0
    assert accuracy_reward("<answer>65", FREE) == 0.0


@pytest.mark.parametrize(
    ("response", "reward"),
    [
        ("<think>a\nb</think><answer>1</answer>", 1.0),
        ("<think>a</think> so <answer>1</answer>\n", 1.0),
        ("<think>a</think><answer>1</answer> done", 0.0),
        ("well <think>a</think><answer>1</answer>", 0.0),
        ("<answer>1</answer>", 0.0),
        ("<think>a</think>", 0.0),
    ],
)
def test_format_reward(response, reward):
    assert format_reward(response) == reward


def test_boxes_may_be_nested_and_the_last_one_counts():
    assert unboxed("\\boxed{1} then \\boxed{\\frac{1}{\\sqrt{2}}}.") == "\\frac{1}{\\sqrt{2}}"
    assert unboxed("no box") == "no box"
    assert unboxed("\\boxed{1") == "\\boxed{1"


def verdicts():
    return [equal_answers(text, "4") for text in ENDLESS] + [equal_answers(*pair) for pair in EQUAL]


def test_no_answer_stalls_the_check_and_threads_agree_with_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(verdicts()), daemon=True)
    start = time.monotonic()
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive(), (
        "a hostile answer stalls the check outside the main thread, where no signal can stop it"
    )
    assert found == [verdicts()]
    assert found[0] == [False] * len(ENDLESS) + [True] * len(EQUAL)
    assert time.monotonic() - start < 20
