"""Worked examples in front of each question."""

from dataclasses import replace

import pytest

from full_scale.data import expert_response, load_problems, shots
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


@pytest.mark.parametrize(("solved", "enough"), [(3, True), (2, False)])
def test_there_must_be_an_example_more_than_is_shown(monkeypatch, solved, enough):
    """One of them may be the problem itself."""
    pool = [replace(one, solution=one.solution if place < solved else None) for place, one in enumerate(TRAINED)]
    monkeypatch.setattr(shots, "load_problems", lambda *_, **__: pool)
    if enough:
        (after,) = with_shots(TRAINED[:1], "word_problems", shots=2)
        assert after.question.count("</answer>") == 2
    else:
        with pytest.raises(ValueError, match=r"found 2 among the first 6 of word_problems\. Fix: --shots 1, or other"):
            with_shots(TRAINED[:1], "word_problems", shots=2)


def test_examples_are_asked_for_as_the_problems_were(monkeypatch):
    asked = []
    monkeypatch.setattr(shots, "load_problems", lambda *names, **how: asked.append((names, how)) or TRAINED)
    with_shots(ASKED, "a name", shots=1, experts="none", columns="question=q", seed=7)
    how = {"split": "train", "limit": 20, "experts": "none", "columns": "question=q", "seed": 7}
    assert asked == [(("a name",), how)]


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
