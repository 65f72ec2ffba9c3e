"""The folder of an evaluation: what is appended, kept and refused."""

import json

import pytest

from full_scale.data.verdicts import Verdict
from full_scale.evaluation.answer_log import AnswerLog, Record, read_results
from full_scale.model.answers import Answer

SETTINGS = {"model": "tiny", "samples": 2, "dataset": ("a", "b")}


def record(number):
    answer = Answer(f"{number} °\n", length=3, entropy=0.5, log_prob=-1.5, finished=True)
    verdict = Verdict(correct=True, official=None, well_formed=False)
    return Record(benchmark="b", id=str(number), kind="sampled", sample=number, answer=answer, verdict=verdict)


def log(folder, overwrite=False, **changed):
    return AnswerLog(folder, SETTINGS | changed, overwrite=overwrite)


def test_answers_are_read_back_and_a_cut_line_does_not_count(tmp_path):
    log(tmp_path).append([record(0), record(1)])
    log(tmp_path).append([record(2)])
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"benchmark": "b", "id"')
    assert log(tmp_path).records() == [record(0), record(1), record(2)]
    log(tmp_path).keep([record(0)])
    log(tmp_path).append([record(5)])
    assert log(tmp_path).records() == [record(0), record(5)]


def test_a_finished_evaluation_is_only_overwritten_when_asked(tmp_path):
    first = log(tmp_path)
    first.append([record(0)])
    with pytest.raises(ValueError, match=r"holds no finished evaluation \(results.json\)"):
        read_results(tmp_path)
    first.finish({"a": 1})
    assert read_results(tmp_path) == {"a": 1}
    with pytest.raises(ValueError, match="is finished; choose another --out, or --overwrite"):
        log(tmp_path)
    assert log(tmp_path, overwrite=True).records() == []
    assert not (tmp_path / "results.json").exists()


def test_another_evaluation_is_not_continued(tmp_path):
    log(tmp_path).append([record(0)])
    with pytest.raises(ValueError, match="has model 'tiny', this one 'big'; choose another --out, or --overwrite"):
        log(tmp_path, model="big")
    with pytest.raises(ValueError, match="has new None, this one 1"):
        log(tmp_path, new=1)
    assert log(tmp_path).records() == [record(0)]
    assert log(tmp_path, overwrite=True, model="big").records() == []
    assert json.loads((tmp_path / "evaluation.json").read_text())["model"] == "big"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / "results.json").write_text("precious")
    with pytest.raises(ValueError, match="is in use by something else than an evaluation"):
        log(tmp_path, overwrite=overwrite)
    assert (tmp_path / "results.json").read_text() == "precious"
    with pytest.raises(ValueError, match="is a file"):
        log(tmp_path / "results.json", overwrite=overwrite)
