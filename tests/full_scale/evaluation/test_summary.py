"""The figures of an evaluation and of a comparison, by hand on a few records."""

import dataclasses

import pytest

from full_scale.data.verdicts import Verdict
from full_scale.evaluation.answer_log import Answers, Record
from full_scale.evaluation.summary import category_table, disagreement_table, disagreements, overview
from full_scale.evaluation.summary import summarise as summarise_answers
from full_scale.model.answers import Answer
from full_scale.problems.code_task import Case, CodeTask
from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways
from full_scale.verifier import code


def problem(number, source="geometry3k", category=None):
    return Problem(id=str(number), source=source, question="q", answer="65", category=category)


def record(number, right, *, kind="greedy", sample=0, official=None, length=4, entropy=0.5, log_prob=0.0, text="65"):
    answer = Answer(text, length=length, entropy=entropy, log_prob=log_prob, finished=True)
    verdict = Verdict(correct=right, official=official, well_formed=True)
    return Record(benchmark="b", id=str(number), kind=kind, sample=sample, answer=answer, verdict=verdict)


def sampled(number, *verdicts):
    return [record(number, right, kind="sampled", sample=sample) for sample, right in enumerate(verdicts)]


def summarise(problems, records, *, pass_at, decision=None):
    return summarise_answers(problems, Answers.grouped(records), pass_at=pass_at, decision=decision)


def value(estimate):
    return estimate["value"]


def test_programs_that_cannot_be_run_here_are_counted_apart(monkeypatch):
    monkeypatch.setattr(code, "confinable", lambda: False)
    task = CodeTask(function="f", cases=(Case(given="1", wanted="1"),))
    asked = Problem(id="0", source="pipelines", question="q", answer="", task=task)
    texts = [
        "<answer>def f(x):\n    apart = x\n    del apart\n    return x</answer>",
        "<answer>def f(x):\n    return x</answer>",
    ]
    answers = Answers(
        [record(0, False, text=texts[0])], [[record(0, True, kind="sampled", text=text) for text in texts]]
    )
    summary = summarise_answers([asked], answers, pass_at=[1])
    assert summary["unknown_programs"] == 2
    assert ["programs not runnable here", "2"] in overview({"pipelines": summary}).rows
    assert "unknown_programs" not in summarise([problem(0)], [record(0, True)], pass_at=[])


def test_accuracy_and_pass_at_k_by_hand():
    problems = [problem(0), problem(1)]
    records = [
        record(0, True),
        record(1, False),
        *sampled(0, True, False, False, False),
        *sampled(1, False, False, False, False),
    ]
    summary = summarise(problems, records, pass_at=[1, 2, 4])
    assert value(summary["greedy"]["accuracy"]) == 0.5
    assert value(summary["sampled"]["accuracy"]) == 1 / 8
    # 1 of 4 right: a pair holds it in 3 of 6 cases
    assert {k: value(estimate) for k, estimate in summary["sampled"]["pass_at"].items()} == {
        "1": 1 / 8,
        "2": 0.25,
        "4": 0.5,
    }
    assert summary["sampled"]["accuracy"]["low"] == 0.0
    assert summary["sampled"]["accuracy"]["high"] == 0.25


def test_entropy_is_a_mean_over_tokens_and_length_over_answers():
    records = [record(0, True, length=1, entropy=1.0), record(1, True, length=3, entropy=0.2)]
    metrics = summarise([problem(0), problem(1)], records, pass_at=[])["greedy"]
    assert value(metrics["entropy"]) == pytest.approx((1.0 + 0.6) / 4)
    assert value(metrics["length"]) == 2.0


def test_ece_compares_correctness_with_the_mean_token_probability():
    # two tokens of probability 1/2 each: confidence 1/2; one of two such answers is right, the sure one is wrong
    half = {"length": 2, "log_prob": -1.3862943611198906}
    records = [record(0, True, **half), record(1, False, **half), record(2, False, length=2, log_prob=0.0)]
    metrics = summarise([problem(n) for n in range(3)], records, pass_at=[])["greedy"]
    assert value(metrics["ece"]) == pytest.approx(1 / 3)


def test_samples_that_are_all_wrong_do_not_have_an_interval_of_no_width():
    records = [record(0, False), record(1, False), *sampled(0, False, False), *sampled(1, False, False)]
    accuracy = summarise([problem(0), problem(1)], records, pass_at=[2])["sampled"]
    assert (
        accuracy["accuracy"]
        == accuracy["pass_at"]["2"]
        == pytest.approx({"value": 0, "low": 0, "high": 0.6576}, abs=1e-4)
    )


def test_categories_hold_their_own_problems():
    problems = [problem(0, category="angle"), problem(1, category="length"), problem(2, category="angle")]
    records = [record(0, True, official=False), record(1, False, official=False), record(2, True, official=True)]
    summary = summarise(problems, records, pass_at=[])
    assert [(name, entry["problems"]) for name, entry in summary["categories"].items()] == [("angle", 2), ("length", 1)]
    assert value(summary["categories"]["angle"]["accuracy"]) == 1.0
    assert value(summary["categories"]["angle"]["official_accuracy"]) == 0.5
    table = category_table("b", summary)
    assert table.columns == ["category", "problems", "greedy accuracy", "official scoring"]
    assert table.rows[1][:2] == ["length", "1"]


def test_mathverse_is_the_mean_over_versions_with_a_picture_and_text_only_apart():
    versions = ["Text Lite", "Text Lite", "Text Lite", "Vision Only", "Text Only"]
    problems = [problem(n, "mathverse", version) for n, version in enumerate(versions)]
    rights = [True, False, False, True, False]
    records = [record(n, right, official=right) for n, right in enumerate(rights)]
    summary = summarise(problems, records, pass_at=[])
    assert summary["image_versions"]["versions"] == ["Text Lite", "Vision Only"]
    assert summary["image_versions"]["problems"] == 4
    assert value(summary["image_versions"]["official_accuracy"]) == pytest.approx((1 / 3 + 1) / 2)
    labels = [row[0] for row in category_table("mathverse", summary).rows]
    assert labels == ["Text Lite", "Text Only", "Vision Only", "mean over 2 versions with a picture"]
    unsure = summarise(problems, [record(n, False, official=False) for n in range(5)], pass_at=[])
    assert unsure["image_versions"]["accuracy"]["high"] > 0.3
    only_text = summarise(problems[4:], records[4:], pass_at=[])
    assert only_text["image_versions"]["problems"] == 0
    assert [row[0] for row in category_table("mathverse", only_text).rows] == ["Text Only"]


def test_disagreements_are_counted_by_cause_and_direction():
    letter, boxed = "<answer>C</answer>", "so \\boxed{65}"
    records = [
        record(0, True, official=False, text=letter),
        record(0, True, official=False, text=letter, kind="sampled"),
        record(1, False, official=True, text=boxed),
        record(2, True, official=True),
    ]
    found = disagreements([problem(n) for n in range(3)], [records])
    assert [(entry["count"], entry["right_by"], entry["examples"]) for entry in found] == [
        (2, "reward", ["0"]),
        (1, "official", ["1"]),
    ]
    assert "a letter does not count" in found[0]["reason"]
    assert "no <answer> tags" in found[1]["reason"]
    table = disagreement_table("b", "geometry3k", {"disagreements": found})
    assert table.rows[0][1:] == ["2", "reward", "0"]
    assert disagreement_table("b", "geometry3k", {"disagreements": []}).rows[0][0] == "nowhere"
    assert disagreement_table("b", "rendered", {"disagreements": []}) is None


def test_the_overview_has_a_column_for_each_benchmark():
    first = summarise([problem(0)], [record(0, True, official=True)], pass_at=[])
    second = summarise([problem(0)], [record(0, True), *sampled(0, True, False)], pass_at=[2])
    table = overview({"a": first, "b": second})
    assert table.columns == ["", "a", "b"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["problems"] == ["1", "1"]
    assert rows["pass@2"][0] == "-"
    assert rows["pass@2"][1].startswith("100.0 %")
    assert rows["greedy: accuracy by the official scoring"][1] == "-"
    assert "sampled: accuracy by the official scoring" not in rows


def test_an_official_score_that_is_not_comparable_is_said_beside_the_figures():
    vista = summarise([problem(0, "mathvista")], [record(0, True, official=True)], pass_at=[])
    other = summarise([problem(0)], [record(0, True, official=True)], pass_at=[])
    assert "348 of 1000 right there, 278 here" in vista["warning"]
    assert "warning" not in other
    note = overview({"mathvista": vista, "geometry3k": other}).note
    assert note.startswith("mathvista: Not comparable with published figures")
    assert note.count("comparable") == 1
    assert "comparable" not in overview({"geometry3k": other}).note


def test_a_summary_says_where_reward_and_official_scoring_differ():
    records = [record(0, True, official=False), record(1, True, official=True)]
    summary = summarise([problem(0), problem(1)], records, pass_at=[])
    assert summary.keys() == {"problems", "greedy", "sampled", "categories", "disagreements"}
    (entry,) = summary["disagreements"]
    assert (entry["count"], entry["right_by"], entry["examples"]) == (1, "reward", ["0"])
    assert disagreement_table("b", "geometry3k", summary).rows == [[entry["reason"], "1", "reward", "0"]]


def test_where_problems_tell_ways_apart_their_shares_are_figures():
    ways = Ways(sound="look", shortcut="guess")
    problems = [dataclasses.replace(problem(number), ways=ways) for number in range(2)]
    texts = ("<think>look a", "<think>guess a", "<think>look a", "65")
    records = [record(0, True, text=texts[0]), record(1, True, text=texts[3])]
    records += [
        record(number // 2, True, kind="sampled", sample=number % 2, text=text) for number, text in enumerate(texts)
    ]
    summary = summarise(problems, records, pass_at=[])
    assert value(summary["greedy"]["sound_share"]) == value(summary["greedy"]["neither_share"]) == 0.5
    assert [value(summary["sampled"][f"{way}_share"]) for way in ("sound", "shortcut", "neither")] == [0.5, 0.25, 0.25]
    assert "first_decision" not in summary
    exact = {"sound_probability": [0.1, 0.3], "shortcut_probability": [0.5, 0.7], "decision_entropy": [1.0, 1.2]}
    summary = summarise(problems, records, pass_at=[], decision=exact)
    assert value(summary["first_decision"]["sound_probability"]) == pytest.approx(0.2)
    rows = {row[0]: row[1] for row in overview({"b": summary}).rows}
    assert rows["first decision: probability of the shortcut"].startswith("60.0 ")
    assert rows["first decision: entropy, nats"].startswith("1.1 [1")
    assert any("take the shortcut" in row[0] for row in overview({"b": summary}).rows)
    assert not any("take the shortcut" in row[0] for row in overview({"b": plain()}).rows)


def plain():
    return summarise([problem(0)], [record(0, True)], pass_at=[])
