"""Worked examples in front of each question."""

import pytest

from full_scale.data import expert_response, load_problems
from full_scale.data.shots import with_shots

ASKED = load_problems("word_problems", split="test", limit=3)
TRAINED = load_problems("word_problems", split="train", limit=6)


def test_each_question_stands_behind_solved_training_problems():
    for before, after in zip(ASKED, with_shots(ASKED, "word_problems", shots=2), strict=True):
        worked = "".join(f"{one.question}\n{expert_response(one)}\n\n" for one in TRAINED[:2])
        assert after.question == worked + before.question
        assert (after.id, after.answer) == (before.id, before.answer)


def test_a_training_problem_is_no_example_of_itself():
    for place, after in enumerate(with_shots(TRAINED, "word_problems", shots=4)):
        assert after.question.count(TRAINED[place].question) == 1
        assert after.question.count("</answer>") == 4


def test_no_shots_change_nothing():
    assert with_shots(ASKED, "no such data set", shots=0) == ASKED


@pytest.mark.parametrize(
    ("dataset", "experts", "message"),
    [
        ("word_problems", "none", "found 0 among the first 30"),
        ("rendered", "dataset", "expected questions without pictures"),
    ],
)
def test_what_gives_no_examples_is_refused(dataset, experts, message):
    problems = load_problems(dataset, split="test", limit=1)
    with pytest.raises(ValueError, match=message):
        with_shots(problems, dataset, shots=2, experts=experts)
