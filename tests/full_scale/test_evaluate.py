"""The evaluation command: from a checkpoint to results, page and tables; resuming; bad input."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from realdata import GEOMETRY3K, REAL_DATA, ROOT, needs_real_data
from tiny import save_tiny_checkpoint, tiny_model, tiny_processor

from full_scale import evaluate
from full_scale.data.rendered import rendered_problems
from full_scale.evaluate import main
from full_scale.evaluation import answering
from full_scale.evaluation.answering import blanked
from full_scale.evaluation.benchmarks import scored_split
from full_scale.model.checkpoint import model_fingerprint

SHORT = ["--max-response-length", "6", "--batch-size", "2"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("model"))


def run(checkpoint, out, *flags):
    return main(["--model", str(checkpoint), "--limit", "3", "--out", str(out), *SHORT, *flags])


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation") / "out"
    results = run(checkpoint, out, "--samples", "2", "--pass-at", "1", "2", "--dataset", "rendered", str(GEOMETRY3K))
    return out, results


def test_everything_is_in_the_results(finished):
    out, results = finished
    assert json.loads((out / "results.json").read_text()) == json.loads(json.dumps(results))
    assert list(results["benchmarks"]) == ["rendered", "geometry3k"]
    assert results["data"]["geometry3k"]["split"] == "test"
    assert (results["samples"], results["seed"], results["blank_pictures"]) == (2, 0, False)
    assert results["versions"]["torch"] == torch.__version__
    for summary in results["benchmarks"].values():
        assert summary["problems"] == 3
        assert summary["greedy"]["accuracy"] == pytest.approx({"value": 0, "low": 0, "high": 0.5615}, abs=1e-4)
        assert 0 < summary["sampled"]["entropy"]["low"] <= summary["sampled"]["entropy"]["value"] < 6
        assert set(summary["sampled"]["pass_at"]) == {"1", "2"}
    assert len(results["records"]) == 2 * 3 * (1 + 2)
    assert {"response", "text"} & set(results["records"][0]) == {"text"}
    assert results["benchmarks"]["rendered"]["greedy"]["official_accuracy"] is None
    assert results["benchmarks"]["geometry3k"]["greedy"]["official_accuracy"]["value"] == 0
    page = (out / "answers.html").read_text()
    assert page.count("<article") == 6
    assert "where reward and official scoring differ" in page
    assert "geometry3k by category" in page


def test_tables_are_printed(finished, checkpoint, tmp_path, capsys):
    run(checkpoint, tmp_path / "out")
    shown = capsys.readouterr().out
    assert re.search(r"greedy: entropy, nats per\s", shown)
    assert "rendered by category" in shown
    assert "sampled" not in shown.partition("Brackets")[0]


class InterruptionError(Exception):
    pass


def test_an_interrupted_evaluation_goes_on_to_the_same_end(finished, checkpoint, tmp_path, monkeypatch, capsys):
    _, wanted = finished
    original, calls = answering.answer_batch, []

    def interrupted(*arguments, **options):
        calls.append(options["samples"])
        if len(calls) == 4:  # rendered: two greedy batches, one sampled; then the second sampled one
            raise InterruptionError
        return original(*arguments, **options)

    flags = ["--samples", "2", "--pass-at", "1", "2", "--dataset", "rendered", str(GEOMETRY3K)]
    monkeypatch.setattr(answering, "answer_batch", interrupted)
    with pytest.raises(InterruptionError):
        run(checkpoint, tmp_path, *flags)
    with (tmp_path / "answers.jsonl").open("a") as file:  # part of the next batch was written
        file.write((tmp_path / "answers.jsonl").read_text().splitlines(keepends=True)[0] + '{"cut')
    calls.extend([0] * 10)
    found = run(checkpoint, tmp_path, *flags)
    assert "going on after 7 answers" in capsys.readouterr().out
    assert calls[14:] == [2, 1, 1, 2, 2]
    assert found["records"] == wanted["records"]
    assert found["benchmarks"] == wanted["benchmarks"]
    with pytest.raises(ValueError, match="is finished; choose another --out, or --overwrite"):
        run(checkpoint, tmp_path, *flags)
    assert run(checkpoint, tmp_path, "--overwrite")["samples"] == 0


def test_an_evaluation_of_another_model_is_not_continued(checkpoint, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise InterruptionError

    with monkeypatch.context() as patch:
        patch.setattr(answering, "answer_batch", interrupted)
        with pytest.raises(InterruptionError):
            run(checkpoint, tmp_path / "out")
    with pytest.raises(ValueError, match=r"has model '.*', this one 'tiny'; choose another --out, or --overwrite"):
        run("tiny", tmp_path / "out")
    with pytest.raises(ValueError, match="has seed 0, this one 1"):
        run(checkpoint, tmp_path / "out", "--seed", "1")
    monkeypatch.setattr(evaluate, "model_fingerprint", lambda model: "changed")
    with pytest.raises(ValueError, match=r"has model_fingerprint '\w+', this one 'changed'"):
        run(checkpoint, tmp_path / "out")


def test_a_fingerprint_notices_a_small_update():
    model = tiny_model(tiny_processor())
    before = model_fingerprint(model)
    assert model_fingerprint(model) == before
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1e-6
    assert model_fingerprint(model) != before


def test_blanked_pictures_are_white_and_nothing_else_changes():
    (problem,) = rendered_problems(1, seed=0)
    blank = blanked(problem)
    (picture,) = blank.rgb_images()
    assert picture.size == problem.rgb_images()[0].size
    assert np.asarray(picture).min() == 255
    assert np.asarray(problem.rgb_images()[0]).min() < 255
    assert (blank.question, blank.answer, blank.id) == (problem.question, problem.answer, problem.id)


def test_the_shipped_model_needs_the_picture(tmp_path, capsys):
    flags = ["--limit", "40", "--dataset", "rendered"]
    seen = main([*flags, "--out", str(tmp_path / "seen")])
    blank = main([*flags, "--out", str(tmp_path / "blank"), "--blank-pictures"])
    accuracy = [results["benchmarks"]["rendered"]["greedy"]["accuracy"]["value"] for results in (seen, blank)]
    assert accuracy[0] > accuracy[1] + 0.15
    compared = main(["--compare", str(tmp_path / "seen"), str(tmp_path / "blank")])
    assert compared["differing_settings"] == ["blank_pictures"]
    figures = compared["benchmarks"]["rendered"]["correct"]["greedy"]
    assert figures["difference"]["value"] == pytest.approx(accuracy[1] - accuracy[0])
    assert figures["difference"]["high"] < 0
    assert figures["p"] < 0.05
    assert "Comparison of two evaluations" in capsys.readouterr().out


def test_a_text_model_answers_word_problems_and_no_pictures(tmp_path):
    flags = ["--model", "tiny-text", "--limit", "8", "--out", str(tmp_path / "out")]
    results = main([*flags, "--dataset", "word_problems"])
    assert results["data"]["gsm8k"]["dataset"] == "word_problems"
    greedy = results["benchmarks"]["gsm8k"]["greedy"]
    assert greedy["finished"]["value"] > 0.5
    assert greedy["official_accuracy"]["value"] >= greedy["accuracy"]["value"]
    assert "<img" not in (tmp_path / "out" / "answers.html").read_text()
    with pytest.raises(ValueError, match="rendered has pictures, but the model reads text only"):
        main([*flags[:4], "--out", str(tmp_path / "other"), "--dataset", "rendered"])


def test_the_same_data_set_twice_is_two_benchmarks(checkpoint, tmp_path):
    results = run(checkpoint, tmp_path / "out", "--dataset", str(GEOMETRY3K), f"geometry3k:{GEOMETRY3K}")
    assert list(results["benchmarks"]) == ["geometry3k", "geometry3k #2"]
    first, second = (
        [record["text"] for record in results["records"] if record["benchmark"] == name]
        for name in results["benchmarks"]
    )
    assert first == second


def test_each_data_set_has_its_own_split():
    assert scored_split("rendered") == "test"
    assert scored_split(str(GEOMETRY3K)) == "test"


@needs_real_data
@pytest.mark.parametrize(
    ("name", "split"), [("mathvista", "testmini"), ("mathverse", "testmini"), ("mathvision", "test"), ("mmk12", "test")]
)
def test_the_split_that_a_benchmark_is_scored_on(name, split):
    assert scored_split(str(REAL_DATA / name)) == split


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "/no/such/folder"], "--model '/no/such/folder' is neither a folder with a checkpoint nor"),
        (["--dataset", "nope"], "unknown data set 'nope'"),
        (["--dataset", str(GEOMETRY3K), "--split", "nope"], "has no split 'nope'"),
        (["--split", "nope"], "rendered has no split 'nope'; it has train, test"),
        (["--limit", "0"], "limit must be at least 1"),
        (["--samples", "-1"], "samples is -1; it must be at least 0"),
        (["--samples", "2", "--pass-at", "3"], "--pass-at 3: k must be 1 to the number of samples, 2; raise --samples"),
        (["--pass-at", "1"], "--pass-at 1: k must be 1 to the number of samples, 0"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--max-response-length", "0"], "max_response_length is 0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(["--out", str(tmp_path / "out"), *flags])
    assert not (tmp_path / "out").exists()


def test_an_empty_data_set_is_refused(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    with pytest.raises(ValueError, match="has none of the known layouts"):
        main(["--out", str(tmp_path / "out"), "--dataset", str(tmp_path / "data")])
    with pytest.raises(ValueError, match="has no problems in split 'test'"):
        main(["--out", str(tmp_path / "out"), "--dataset", f"geometry3k:{tmp_path / 'data'}"])


def test_the_command_ends_with_the_message_only(tmp_path):
    (tmp_path / "precious").write_text("x")
    command = [sys.executable, str(ROOT / "full_scale" / "evaluate.py"), "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(
        r"error: output folder .* is in use by something else.*choose another --out\.", ended.stderr.strip()
    )
