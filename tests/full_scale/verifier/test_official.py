import dataclasses

import pytest
from realdata import REAL_DATA, needs_real_data

from full_scale.data.verdicts import official_score, scoring_of
from full_scale.problems.problem import Problem
from full_scale.verifier.mathvision import mathvision_answer, mathvision_equal
from full_scale.verifier.official import (
    edit_distance,
    final_answer,
    gllava_letter,
    number,
)

BASE = Problem(
    id="1", source="mathvista", question="q", answer="145°", choices=("135°", "140°", "145°"), answer_letter="C"
)


def judged(response, **fields):
    return official_score(response, dataclasses.replace(BASE, **fields))


def free(source, answer, **facts):
    return {"source": source, "answer": answer, "choices": (), "answer_letter": None, "facts": facts}


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("... is 40.\nAnswer:A", "A"),
        ("Therefore, the correct answer is option B.", "B"),
        ("Therefore, option C is selected.", "C"),
        ("So the answer is option D.", "D"),
        ("the answer is (A), done", "A"),
        ("We find 40. Thus it is B. ", "B"),
        ("no letter", None),
        ("Answer: A", None),
    ],
)
def test_gllava_letters(response, letter):
    assert gllava_letter(response) == letter


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think>2</think><answer> 5 </answer>", "5"),
        ("so \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("The answer is 5. Bye", "5"),
        ("first the answer is 4.\nfinally the answer is 5.", "5"),
        ("5", "5"),
    ],
)
def test_final_answer(response, answer):
    assert final_answer(response) == answer


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("(C)", True),
        ("c", False),
        ("C", True),
        ("145°", True),
        ("145", True),
        ("130°", False),
        ("(a)", False),
        ("", False),
    ],
)
def test_mathvista_choices_go_to_the_nearest_text(response, verdict):
    assert judged(response) is verdict


def test_mathvista_numbers():
    assert judged("5.9", **free("mathvista", "5", answer_type="integer"))
    assert not judged("five", **free("mathvista", "5", answer_type="integer"))
    assert judged("1.26", **free("mathvista", "1.3", answer_type="float", precision=1))
    assert not judged("1.2", **free("mathvista", "1.3", answer_type="float", precision=1))
    assert judged("1.26", **free("mathvista", "1.3", answer_type="float", precision=1.0))  # the hub's type
    assert not judged("1e999", **free("mathvista", "1", answer_type="integer"))
    assert judged("[1, 2]", **free("mathvista", "[1, 2]", answer_type="list"))
    assert judged('I think: The answer is "two".', **free("mathvista", "two", answer_type="text"))


def test_mathvista_takes_several_letters_for_text():
    choices = {"choices": ("xyz", "AC"), "answer": "AC", "answer_letter": "B"}
    assert judged("AB", **choices)  # nearer to AC; not the letter A
    assert judged("(z)", **{**choices, "choices": ("xyzu", "AC")})  # its script then compares the letter Z alone


def test_mathvision_rounds_to_two_decimals_and_accepts_letter_or_text():
    assert judged("The answer is \\boxed{C}", source="mathvision")
    degrees = {"answer": "$145^{\\circ}$", "choices": ("", "", "$145^{\\circ}$"), "source": "mathvision"}
    assert judged("\\boxed{145^\\circ}", **degrees)
    assert judged("<think>t</think><answer>145</answer>", **degrees)
    assert not judged("\\boxed{B}", source="mathvision")
    assert judged("\\boxed{2.236}", **free("mathvision", "\\sqrt{5}"))
    assert not judged("\\boxed{2.2}", **free("mathvision", "\\sqrt{5}"))
    assert judged("\\boxed{(0.5,2)}", **free("mathvision", "(\\frac{1}{2},2)"))
    assert not judged("\\boxed{(0.5)}", **free("mathvision", "(\\frac{1}{2},2)"))


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("80", "80"),
        ("(D)", "d"),
        ("(D) Beetle with 6 points", "dbeetlewith6points"),
        ("Point $C$", "pointc"),
        ("12 inches", "12inches"),
        ("Image 2", "image2"),
        ("<image2>", "<image2>"),
        ("C\nbecause of this", "c"),
        ("(C) C\nso", "c"),
        ("Hence it must be (B).", "b"),
        ("so \\boxed{\\text{C}}.", "c"),
        ("\\boxed{3} and \\boxed{4}", "4"),
        ("The final answer is 5. Bye", "5"),
        ("The answer is: $\\frac{1}{2}$\nsure", "\\frac{1}{2}"),
        ("hence it is 12.", "12"),
        ("x=\\boxed{\\frac1{\\sqrt3}}", "\\frac1{\\sqrt{3}}"),
        ("0.5", "\\frac{1}{2}"),
        ("3/4", "\\frac{3}{4}"),
        (".25", "0.25"),
        ("", ""),
    ],
)
def test_mathvision_reads_a_response_as_its_script_does(response, answer):
    assert mathvision_answer(response) == answer


def test_mathvision_equality():
    assert mathvision_equal("(0.5,2)", "(\\frac{1}{2},2)")
    assert mathvision_equal("(a,\\infty)", "(a,\\infty)")
    assert not mathvision_equal("(1,2)", "[1,2]")
    assert not mathvision_equal("(1,2)", "(1,2,3)")
    assert not mathvision_equal("", "a")
    assert not mathvision_equal("2.715", "2.70")


def test_mathverse_is_exact():
    assert judged("<answer>C</answer>", source="mathverse")
    assert not judged("<answer>145</answer>", source="mathverse")
    assert judged("<answer>(C)</answer>", source="mathverse", facts={"answer": "(C)"})
    assert not judged("<answer>C</answer>", source="mathverse", facts={"answer": "(C)"})


def test_geoeval_compares_both_ways():
    assert judged("5.0005", **free("geoeval", "5"))
    assert not judged("4", **free("geoeval", "5"))  # upstream lacks abs() and would pass it
    assert not judged("6", **free("geoeval", "5"))
    for length, right in ((1000, True), (1001, False)):
        words = "a " * 499 + "b" * (length - 998)
        assert judged(words, **free("geoeval", words)) is right


def test_geoqa_program_values():
    facts = {"choice_nums": [None, 140.0, 145.0], "label": 2}
    assert judged("145.0004", source="geoqa", facts=facts)
    assert not judged("140", source="geoqa", facts=facts)
    assert not judged("143", source="geoqa", facts=facts)


def test_gsm8k_compares_numbers():
    assert judged("so it is\n#### 1,234", **free("gsm8k", "1234"))
    assert not judged("#### 12", **free("gsm8k", "1234"))


def test_geometry3k_wants_the_choice_text_as_its_prompt_lists_no_choices():
    assert judged("<answer>145</answer>", source="geometry3k")
    assert not judged("<answer>C</answer>", source="geometry3k")


def test_rendered_problems_have_no_official_scoring():
    assert judged("<answer>C</answer>", source="rendered") is None
    assert scoring_of("rendered") is None


@pytest.mark.parametrize(("left", "right", "distance"), [("", "ab", 2), ("kitten", "sitting", 3), ("ab", "ab", 0)])
def test_edit_distance(left, right, distance):
    assert edit_distance(left, right) == edit_distance(right, left) == distance


def test_number_of_expressions():
    assert number("4\\sqrt{3}") == pytest.approx(6.9282032)
    assert number("145°") == 145
    assert number("x+1") is None
    assert number("9^{9^{9^9}}") is None


@needs_real_data
def test_gllava_verdicts_are_reproduced_on_all_754_outputs():
    from full_scale.data.records import read_jsonl

    outputs = list(read_jsonl(REAL_DATA / "scoring_fixtures" / "gllava_geoqa_outputs.jsonl"))
    gold = {
        row["question_id"]: row["text"] for row in read_jsonl(REAL_DATA / "geoqa" / "gllava" / "test_answers.jsonl")
    }
    right = [gllava_letter(row["text"]) == gold[row["question_id"]] for row in outputs]
    assert (len(right), sum(right)) == (754, 484)  # the published 64.19 %


@needs_real_data
def test_the_training_reward_agrees_with_gllava_on_every_answer_that_an_output_states():
    from full_scale.data.records import read_jsonl
    from full_scale.data.wording import choice_text, listed_choices
    from full_scale.verifier.answer import is_correct

    gold = {
        row["question_id"]: row["text"] for row in read_jsonl(REAL_DATA / "geoqa" / "gllava" / "test_answers.jsonl")
    }
    differing = []
    for row in read_jsonl(REAL_DATA / "scoring_fixtures" / "gllava_geoqa_outputs.jsonl"):
        choices, letter = listed_choices(row["prompt"]), gold[row["question_id"]]
        answer = choice_text(choices, letter, "")
        problem = dataclasses.replace(BASE, source="geoqa_gllava", answer=answer, choices=choices, answer_letter=letter)
        rewarded = is_correct(f"<answer>{final_answer(row['text'])}</answer>", problem)
        if rewarded != official_score(row["text"], problem):
            differing.append(row["question_id"])
    assert differing == []
