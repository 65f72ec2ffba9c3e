"""Two evaluations on the same problems, compared by hand."""

import dataclasses

import pytest

from full_scale.data.verdicts import Verdict
from full_scale.evaluation.answer_log import AnswerLog, Record, evaluation_folder
from full_scale.evaluation.comparison import compare
from full_scale.model.answers import Answer


def record(number, right, *, kind="greedy", sample=0, official=None):
    answer = Answer("65", length=4, entropy=0.5, log_prob=0.0, finished=True)
    verdict = Verdict(correct=right, official=official, well_formed=True)
    return Record(benchmark="b", id=str(number), kind=kind, sample=sample, answer=answer, verdict=verdict)


def sampled(number, *verdicts):
    return [record(number, right, kind="sampled", sample=sample) for sample, right in enumerate(verdicts)]


def value(estimate):
    return estimate["value"]


def finished(folder, rights, *, problems=("p0", "p1"), samples=(), blank=False, name="b"):
    data = {name: {"problems": [f"{key}" for key in problems]}}
    settings = {"model": "m", "blank_pictures": blank, "data": data}
    records = [record(n, right, official=not right) for n, right in enumerate(rights)]
    records += [item for n, verdicts in enumerate(samples) for item in sampled(n, *verdicts)]
    with evaluation_folder(folder) as locked:
        log = AnswerLog(locked, settings, resume=False)
        log.append([dataclasses.replace(item, benchmark=name) for item in records])
        log.finish({"settings": settings, "figures": {name: {}}})
    return folder


def test_two_evaluations_are_compared_by_paired_tests(tmp_path):
    rights = ([True, True, False, False, False, False], [True, False, True, True, True, True])
    problems = tuple("abcdef")
    samples = ([[True, False]] * 6, [[True, True]] * 6)
    a, b = (
        finished(tmp_path / name, right, problems=problems, samples=drawn, blank=name == "b")
        for name, right, drawn in zip("ab", rights, samples, strict=True)
    )
    result, table = compare(a, b)
    assert list(table.columns) == ["benchmark", "answers", "A", "B", "difference", "only A / B right", "p"]
    greedy = result["benchmarks"]["b"]["correct"]["greedy"]
    assert (greedy["only_a"], greedy["only_b"]) == (1, 4)
    assert greedy["p"] == pytest.approx(2 * (1 + 5) / 32)
    assert value(greedy["difference"]) == pytest.approx(3 / 6)
    assert greedy["difference"]["low"] < 0.5 < greedy["difference"]["high"]
    drawn = result["benchmarks"]["b"]["correct"]["sampled"]
    assert (drawn["a"], drawn["b"]) == (0.5, 1.0)
    assert drawn["difference"] == {"value": 0.5, "low": 0.5, "high": 0.5}  # every problem gains the same
    assert "p" not in drawn
    official = result["benchmarks"]["b"]["official"]["greedy"]
    assert (official["only_a"], official["only_b"]) == (4, 1)
    assert "sampled" not in result["benchmarks"]["b"]["official"]
    assert result["differing_settings"] == ["blank_pictures"]
    assert table.rows[0] == ("b", "greedy, training reward", "33.3%", "83.3%", table.rows[0][4], "1 / 4", "0.375")


def test_other_problems_are_not_compared(tmp_path):
    a = finished(tmp_path / "a", [True, False])
    with pytest.raises(ValueError, match="b: 1 of 2 problems differ; evaluate both with the same --dataset"):
        compare(a, finished(tmp_path / "c", [True, False], problems=("p0", "other")))
    with pytest.raises(ValueError, match="b: 1 of 2 problems differ"):
        compare(a, finished(tmp_path / "d", [True], problems=("p0",)))
    with pytest.raises(ValueError, match="benchmarks differ: b against c"):
        compare(a, finished(tmp_path / "e", [True, False], name="c"))
    with pytest.raises(ValueError, match="expected a finished evaluation"):
        compare(a, tmp_path / "nowhere")
