"""The folder of an evaluation: what is appended, kept and refused."""

import json

import pytest

from cli.folder import Output
from full_scale.data.verdicts import Verdict
from full_scale.evaluation.answer_log import (
    AnswerLog,
    Answers,
    Record,
    check_folder,
    evaluation_folder,
    read_results,
)
from full_scale.model.answers import Answer

SETTINGS = {"model": "tiny", "samples": 2, "data": ("a", "b")}


def record(number, kind="sampled", sample=0):
    answer = Answer(f"{number} °\n", length=3, entropy=0.5, log_prob=-1.5, finished=True)
    verdict = Verdict(correct=True, official=None, well_formed=False)
    return Record(benchmark="b", id=str(number), kind=kind, sample=sample, answer=answer, verdict=verdict)


def log(folder, resume=True, **changed):
    with evaluation_folder(folder) as locked:
        return AnswerLog(locked, SETTINGS | changed, resume=resume and locked.holds_run)


def test_answers_are_read_back_and_a_cut_line_does_not_count(tmp_path):
    log(tmp_path).append([record(0), record(1)])
    log(tmp_path).append([record(2)])
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"benchmark": "b", "id"')
    assert log(tmp_path).records() == [record(0), record(1), record(2)]
    log(tmp_path).keep([record(0)])
    log(tmp_path).append([record(5)])
    assert log(tmp_path).records() == [record(0), record(5)]


def test_a_new_evaluation_replaces_the_former_one(tmp_path):
    first = log(tmp_path)
    first.append([record(0)])
    first.finish({"figures": {}})
    assert log(tmp_path, resume=False, model="big").records() == []
    assert not (tmp_path / "results.json").exists()
    assert json.loads((tmp_path / "evaluation.json").read_text())["model"] == "big"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json"]


def test_results_are_those_of_a_finished_evaluation(tmp_path):
    first = log(tmp_path)
    with pytest.raises(ValueError, match=r"expected a finished evaluation. Fix: run evaluate.py --out"):
        read_results(tmp_path)
    first.append([record(0, kind="greedy"), record(1, kind="greedy"), record(0), record(0), record(1), record(1)])
    first.finish({"figures": {"b": {}}})
    results, answers = read_results(tmp_path)
    assert results == {"figures": {"b": {}}}
    assert [item.id for item in answers["b"].greedy] == ["0", "1"]
    assert [[item.id for item in group] for group in answers["b"].sampled] == [["0", "0"], ["1", "1"]]
    first.finish({"benchmarks": {}})
    with pytest.raises(ValueError, match="written by an older version"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"fig')
    with pytest.raises(ValueError, match=r"results.json: expected JSON"):
        read_results(tmp_path)


def test_answers_are_grouped_by_problem():
    greedy = [record(number, kind="greedy") for number in range(2)]
    drawn = [record(number, sample=sample) for number in range(2) for sample in range(3)]
    answers = Answers.grouped([*greedy, *drawn])
    assert answers.greedy == greedy
    assert answers.sampled == [drawn[:3], drawn[3:]]
    assert answers.of(1) == [greedy[1], *drawn[3:]]
    assert Answers.grouped(greedy).sampled == [[], []]
    assert Answers.grouped(greedy).of(0) == [greedy[0]]


def test_another_evaluation_is_not_continued(tmp_path):
    log(tmp_path).append([record(0)])
    with pytest.raises(
        ValueError, match=r"has model 'tiny', this one 'big'. Fix: choose another --out, or --overwrite"
    ):
        log(tmp_path, model="big")
    with pytest.raises(ValueError, match="has new None, this one 1"):
        log(tmp_path, new=1)
    assert log(tmp_path).records() == [record(0)]
    (tmp_path / "evaluation.json").write_text('{"model"')
    with pytest.raises(ValueError, match=r"evaluation.json: expected JSON"):
        log(tmp_path)


@pytest.mark.parametrize("flags", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_of_something_else_is_never_touched(tmp_path, flags):
    (tmp_path / "results.json").write_text("precious")
    folder = evaluation_folder(tmp_path)
    if flags.get("resume"):
        with pytest.raises(ValueError, match="holds no run"):
            check_folder(folder, Output(out=tmp_path, **flags))
    (tmp_path / "other").write_text("precious")
    with pytest.raises(ValueError, match=r"in use, other|holds no run"):
        check_folder(folder, Output(out=tmp_path, **flags))
    assert (tmp_path / "results.json").read_text() == "precious"


def test_a_finished_evaluation_is_replaced_only_when_asked(tmp_path):
    log(tmp_path).finish({"figures": {}})
    folder = evaluation_folder(tmp_path)
    for flags in ({}, {"resume": True}):
        with pytest.raises(ValueError, match=r"its evaluation is finished. Fix: --overwrite, or another --out"):
            check_folder(folder, Output(out=tmp_path, **flags))
    check_folder(folder, Output(out=tmp_path, overwrite=True))
    (tmp_path / "results.json").unlink()
    check_folder(folder, Output(out=tmp_path, resume=True))
    with pytest.raises(ValueError, match="it is in use"):
        check_folder(folder, Output(out=tmp_path))


def test_what_an_evaluation_writes_is_its_own(tmp_path):
    names = ["answers.html", "answers.jsonl", "evaluation.json", "quarantine.jsonl", "results.json"]
    for name in names:
        (tmp_path / name).write_text("{}")
    folder = evaluation_folder(tmp_path)
    with pytest.raises(ValueError, match=r"its evaluation\.json is another program's"):
        folder.clear()
    (tmp_path / "evaluation.json").write_text(json.dumps(SETTINGS))
    assert folder.foreign() == []
    folder.clear()
    assert list(tmp_path.iterdir()) == []
