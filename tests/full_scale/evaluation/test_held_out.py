"""Answers to held-out problems: measures by hand, and what is kept and shown."""

import dataclasses

import pytest
import torch

from full_scale.data.rendered import rendered_problems
from full_scale.data.shortcut import shortcut_problems
from full_scale.evaluation.held_out import (
    HeldOut,
    Outcome,
    blank_accuracy,
    decisions,
    gains,
    held_out_problems,
    measures,
)
from full_scale.evaluation.intervals import wilson_interval
from full_scale.model.answers import Answer
from full_scale.model.decisions import FirstDecision
from full_scale.run.command_line import read_preset
from full_scale.run.settings import Settings


def answer(text, length=2, entropy=0.5):
    return Answer(f"<answer>{text}</answer>", length=length, entropy=entropy, log_prob=-1.0, finished=True)


@pytest.fixture
def problems():
    return rendered_problems(4, seed=0, split="test")


@pytest.fixture
def answers(problems):
    """Greedy: the first of four is right. Sampled: both answers of the first, one of the second."""
    right = [answer(problem.answer) for problem in problems]
    wrong = answer("no", length=6, entropy=0.1)
    greedy = [right[0], wrong, wrong, wrong]
    return HeldOut(greedy, [[right[0], right[0]], [right[1], wrong], [wrong, wrong], [wrong, wrong]])


def test_the_measures_by_hand(problems, answers):
    found = measures(problems, answers)
    assert found["greedy_accuracy"].value == 0.25
    assert (found["greedy_accuracy"].low, found["greedy_accuracy"].high) == wilson_interval(1, 4)
    assert found["sampled_accuracy"].value == 3 / 8
    # 3 answers of 2 tokens at 0.5 nats, 5 of 6 tokens at 0.1 nats
    assert found["entropy"].value == pytest.approx((3 * 2 * 0.5 + 5 * 6 * 0.1) / (3 * 2 + 5 * 6))
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in found.values())


def test_answers_survive_the_file(tmp_path, answers):
    answers.save(tmp_path / "answers.json")
    assert HeldOut.load(tmp_path / "answers.json") == answers


def test_results_and_table_hold_each_measure_before_and_after(problems, answers):
    better = HeldOut([answer(problem.answer) for problem in problems], answers.sampled)
    outcome = Outcome(problems, answers, better, measures(problems, answers)["greedy_accuracy"])
    results = outcome.as_json()
    assert results["problems"] == 4
    assert results["before"]["greedy_accuracy"] == results["blank_pictures"]["greedy_accuracy"] == 0.25
    assert results["after"]["greedy_accuracy"] == 1.0
    assert results["before"]["interval_95"]["greedy_accuracy"] == [round(end, 4) for end in wilson_interval(1, 4)]
    assert (results["gain"]["greedy_accuracy"], results["gain"]["sampled_accuracy"]) == (0.75, 0.0)
    assert results["gain"]["interval_95"]["sampled_accuracy"] == [0.0, 0.0]  # paired: the same answers
    rows = {name: (before, after) for name, before, after in outcome.rows()}
    assert rows["accuracy of greedy answers"][0].startswith("25.0 %")
    assert rows["accuracy of greedy answers"][1].startswith("100.0 %")
    assert rows["greedy, blank pictures"][1].startswith("25.0 %")
    assert outcome.table().row_count == 5


def test_a_gain_is_what_came_after_less_what_was_before(problems, answers):
    right, wrong = answers.sampled[0], answers.sampled[3]
    better = HeldOut([right[0], *[wrong[0]] * 3], [right, wrong, wrong, wrong])
    worse = HeldOut([wrong[0]] * 4, [wrong] * 4)
    for before, after, sign in ((worse, better, 1), (better, worse, -1)):
        found = gains(problems, before, after)
        assert [found[name].value for name in ("greedy_accuracy", "sampled_accuracy")] == [0.25 * sign] * 2


def test_without_answers_before_the_outcome_says_so(problems, answers, tmp_path):
    outcome = Outcome(problems, None, answers, None)
    assert outcome.as_json()["before"] is None
    assert "blank_pictures" not in outcome.as_json()
    assert {before for _, before, _ in outcome.rows()} == {"not measured"}
    outcome.write_page(tmp_path / "page.html", "a run")
    page = (tmp_path / "page.html").read_text()
    assert page.count("&lt;answer&gt;no&lt;/answer&gt;") == 3 + 2  # greedy, and of the samples each problem's first
    assert "before training, greedy" not in page
    assert "after training, sampled" in page
    assert page.count("data:image/png") >= 4


def test_pictures_are_blanked_one_by_one_and_without_any_nothing_is_answered(problems, monkeypatch):
    shown = []

    def answered(model, processor, problems, **options):
        shown.extend(problems)
        return [[answer("no")] for _ in problems]

    monkeypatch.setattr("full_scale.evaluation.held_out.answer_problems", answered)
    text = [dataclasses.replace(problem, images=()) for problem in problems]
    assert blank_accuracy(None, None, text, Settings(**read_preset("tiny"))) is None
    assert not shown
    mixed = [text[0], *problems[1:]]
    assert blank_accuracy(None, None, mixed, Settings(**read_preset("tiny"))).value == 0.0
    assert [problem.question for problem in shown] == [problem.question for problem in problems]
    assert [len(problem.images) for problem in shown] == [0, 1, 1, 1]
    assert {color for problem in shown[1:] for _, color in problem.images[0].getcolors()} == {(255, 255, 255)}


@pytest.mark.parametrize("wanted", [0, 3])
def test_as_many_problems_of_the_test_split_are_held_out_as_wanted(wanted):
    found = held_out_problems(Settings(**read_preset("tiny") | {"evaluate_problems": wanted}))
    of_split = rendered_problems(3, seed=0, split="test")[:wanted]
    assert [problem.question for problem in found] == [problem.question for problem in of_split]
    assert all(problem.solution is None for problem in found)


def test_ways_are_measured_where_the_problems_tell_them_apart():
    problems = shortcut_problems(3, seed=0, split="test")
    look, guess = (
        dataclasses.replace(answer("x"), text=f"<think>{way} a</think>") for way in ("look", "guess triangle")
    )
    sampled = [[look, look], [look, guess], [guess, guess]]
    decision = {"sound_probability": [0.9, 0.5, 0.1], "decision_entropy": [0.1, 0.7, 0.1]}
    found = measures(problems, HeldOut([look, guess, guess], sampled, decision))
    assert found["sound_share"].value == 0.5
    assert (found["shortcut_share"].value, found["neither_share"].value) == (0.5, 0.0)
    assert found["sound_coverage"].value == pytest.approx(2 / 3)
    assert found["sound_probability"].value == pytest.approx(0.5)
    assert found["decision_entropy"].value == pytest.approx(0.3)


def test_the_first_decision_is_kept_by_what_each_way_is(monkeypatch):
    def first(model, processor, problems, ways, *, instruct):
        shares = {"skip": [0.1, 0.2], "guess triangle": [0.3, 0.4], "look": [0.5, 0.25]}
        tensors = {name: torch.tensor(values) for name, values in shares.items()}
        return FirstDecision(shares=tensors, entropy=torch.tensor([1.0, 0.75]))

    monkeypatch.setattr("full_scale.evaluation.held_out.first_decision", first)
    found = decisions(None, None, shortcut_problems(2, seed=0), instruct=False)
    assert found["sound_probability"] == [0.5, 0.25]
    assert found["shortcut_probability"] == pytest.approx([0.3, 0.4])
    assert found["decision_entropy"] == [1.0, 0.75]
    assert decisions(None, None, rendered_problems(2, seed=0), instruct=False) == {}


def test_pass_at_k_and_categories_by_hand(problems, answers):
    assert measures(problems, answers)["pass_at_k"].value == 0.5
    assert "sound_share" not in measures(problems, answers)
    categories = Outcome(problems, answers, answers, None).as_json()["categories"]
    assert sum(one["problems"] for one in categories.values()) == 4
    first = [one for one in problems if one.category == problems[0].category]
    right = [(1.0, 0.5, 0.0, 0.0)[problems.index(one)] for one in first]
    assert categories[problems[0].category] == {"problems": len(first), "sampled_accuracy": sum(right) / len(first)}
