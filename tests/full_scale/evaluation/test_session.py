"""The evaluation command: from a checkpoint to results, page and tables; resuming; bad input."""

import json
import re
import statistics
import subprocess
import sys

import numpy as np
import pytest
import torch
from realdata import GEOMETRY3K, REAL_DATA, ROOT, needs_real_data
from tiny import save_tiny_checkpoint, tiny_model, tiny_processor

from cli.folder import read_lines
from cli.program import Interrupted
from full_scale.data import load_problems
from full_scale.data.rendered import rendered_problems
from full_scale.evaluate import main
from full_scale.evaluation import answering, session
from full_scale.evaluation.answering import blanked, shown
from full_scale.evaluation.benchmarks import scored_split
from full_scale.evaluation.held_out import decisions
from full_scale.model.checkpoint import TINY_MODEL, load_model, model_fingerprint
from full_scale.model.processor import load_processor
from full_scale.model.shipped import TINY_SHORTCUT_MODEL
from full_scale.train import main as train

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
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
    assert list(results["figures"]) == ["rendered", "geometry3k"]
    assert set(results) == {"settings", "figures", "seconds"}
    settings = results["settings"]
    assert settings["data"]["geometry3k"]["split"] == "test"
    assert (settings["samples"], settings["seed"], settings["blank_pictures"]) == (2, 0, False)
    assert (settings["max_response_length"], settings["instruct"]) == (6, True)  # the checkpoint is no run's
    assert settings["versions"]["torch"] == torch.__version__
    for summary in results["figures"].values():
        assert summary["problems"] == 3
        assert summary["greedy"]["accuracy"] == pytest.approx({"value": 0, "low": 0, "high": 0.5615}, abs=1e-4)
        assert 0 < summary["sampled"]["entropy"]["low"] <= summary["sampled"]["entropy"]["value"] < 6
        assert set(summary["sampled"]["pass_at"]) == {"1", "2"}
    answers = read_lines(out / "answers.jsonl")
    assert len(answers) == 2 * 3 * (1 + 2)
    assert {"response", "text"} & set(answers[0]) == {"text"}
    assert results["figures"]["rendered"]["greedy"]["official_accuracy"] is None
    assert results["figures"]["geometry3k"]["greedy"]["official_accuracy"]["value"] == 0
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


def test_an_interrupted_evaluation_goes_on_to_the_same_end(finished, checkpoint, tmp_path, monkeypatch, capsys):
    former, wanted = finished
    original, calls = answering.answer_batch, []

    def interrupted(*arguments, **options):
        calls.append(options["samples"])
        if len(calls) == 4:  # rendered: two greedy batches, one sampled; then the second sampled one
            raise KeyboardInterrupt
        return original(*arguments, **options)

    flags = ["--samples", "2", "--pass-at", "1", "2", "--dataset", "rendered", str(GEOMETRY3K)]
    monkeypatch.setattr(answering, "answer_batch", interrupted)
    with pytest.raises(Interrupted, match="interrupted; the same command with --resume goes on"):
        run(checkpoint, tmp_path, *flags)
    with pytest.raises(ValueError, match=r"it is in use \(evaluation.json\). Fix: --resume, --overwrite, or another"):
        run(checkpoint, tmp_path, *flags)
    with (tmp_path / "answers.jsonl").open("a") as file:  # part of the next batch was written
        file.write((tmp_path / "answers.jsonl").read_text().splitlines(keepends=True)[0] + '{"cut')
    calls.extend([0] * 10)
    found = run(checkpoint, tmp_path, *flags, "--resume")
    assert "going on after 7 answers" in capsys.readouterr().out
    assert calls[14:] == [2, 1, 1, 2, 2]
    assert (tmp_path / "answers.jsonl").read_text() == (former / "answers.jsonl").read_text()
    assert found["figures"] == wanted["figures"]
    for more in ([], ["--resume"]):
        with pytest.raises(ValueError, match=r"its evaluation is finished. Fix: --overwrite, or another --out"):
            run(checkpoint, tmp_path, *flags, *more)
    assert run(checkpoint, tmp_path, "--overwrite")["settings"]["samples"] == 0


def test_an_evaluation_of_another_model_is_not_continued(checkpoint, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(answering, "answer_batch", interrupted)
        with pytest.raises(Interrupted):
            run(checkpoint, tmp_path / "out")
    with pytest.raises(ValueError, match=r"has model '.*', this one 'tiny'. Fix: choose another --out, or --overwrite"):
        run("tiny", tmp_path / "out", "--resume")
    with pytest.raises(ValueError, match="has seed 0, this one 1"):
        run(checkpoint, tmp_path / "out", "--seed", "1", "--resume")
    monkeypatch.setattr(session, "model_fingerprint", lambda model: "changed")
    with pytest.raises(ValueError, match=r"has model_fingerprint '\w+', this one 'changed'"):
        run(checkpoint, tmp_path / "out", "--resume")


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
    accuracy = [results["figures"]["rendered"]["greedy"]["accuracy"]["value"] for results in (seen, blank)]
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
    assert results["settings"]["data"]["gsm8k"]["dataset"] == "word_problems"
    greedy = results["figures"]["gsm8k"]["greedy"]
    assert greedy["finished"]["value"] > 0.5
    assert greedy["official_accuracy"]["value"] >= greedy["accuracy"]["value"]
    assert "<img" not in (tmp_path / "out" / "answers.html").read_text()
    with pytest.raises(ValueError, match="rendered has pictures, but the model reads text only"):
        main([*flags[:4], "--out", str(tmp_path / "other"), "--dataset", "rendered"])


@pytest.mark.parametrize("flags", [[], ["--blank-pictures"]])
def test_the_first_decision_is_measured_exactly_where_problems_tell_ways_apart(tmp_path, flags):
    shape = ["--dataset", "shortcut", "--limit", "3", "--samples", "0", "--max-response-length", "2"]
    results = main(["--model", "tiny-shortcut", *shape, *flags, "--out", str(tmp_path / "out")])
    found = results["figures"]["shortcut"]["first_decision"]
    problems = shown(load_problems("shortcut", split="test", limit=3), blank=bool(flags))
    exact = decisions(load_model(TINY_SHORTCUT_MODEL), load_processor(TINY_SHORTCUT_MODEL), problems, instruct=False)
    for name, values in exact.items():
        assert found[name]["value"] == pytest.approx(statistics.fmean(values), rel=1e-5)


def test_the_same_data_set_twice_is_two_benchmarks(checkpoint, tmp_path):
    results = run(checkpoint, tmp_path / "out", "--dataset", str(GEOMETRY3K), f"geometry3k:{GEOMETRY3K}")
    assert list(results["figures"]) == ["geometry3k", "geometry3k #2"]
    answers = read_lines(tmp_path / "out" / "answers.jsonl")
    first, second = ([item["text"] for item in answers if item["benchmark"] == name] for name in results["figures"])
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
        (["--model", "/no/such/folder"], "model='/no/such/folder': expected a folder with a checkpoint, a hub id"),
        (["--modle", "tiny"], r"--modle: expected a flag of evaluate.py. Fix: did you mean --model\?"),
        (["--output-dir", "x"], r"--output-dir: expected a flag of evaluate.py. Fix: did you mean --out\?"),
        (["--compare", "x"], r"--compare: expected two folders, got 1. Fix: --compare A B"),
        (["--dataset", "nope"], "unknown data set 'nope'"),
        (["--dataset", str(GEOMETRY3K), "--split", "nope"], "has no split 'nope'"),
        (["--split", "nope"], "rendered has no split 'nope'; it has train, test"),
        (["--limit", "0"], "limit must be at least 1"),
        (["--samples", "-1"], r"samples=-1: expected at least 0. Fix: --samples 0\."),
        (
            ["--samples", "2", "--pass-at", "3"],
            r"--pass-at 3: expected 1 to the number of samples, 2. Fix: --samples 3\.",
        ),
        (["--pass-at", "1"], "--pass-at 1: expected 1 to the number of samples, 0"),
        (["--batch-size", "0"], "batch_size=0: expected"),
        (["--max-response-length", "0"], "max_response_length=0: expected"),
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
    assert ended.returncode == 2
    assert re.fullmatch(
        r"error: out=.*: it is in use, precious is no file of ours. Fix: choose another --out\.", ended.stderr.strip()
    )


@pytest.mark.slow
def test_adapters_are_evaluated_merged_and_trained_on(tmp_path):
    small = ["--prompts-per-step", "2", "--group-size", "2", "--micro-batch-rows", "4", "--evaluate-problems", "0"]
    out = str(tmp_path / "run")
    train([*small, "--lora-rank", "2", "--learning-rate", "0.1", "--steps", "1", "--limit", "4", "--out", out])
    adapted = main(["--model", out, "--limit", "3", "--out", str(tmp_path / "a")])
    assert (adapted["settings"]["max_response_length"], adapted["settings"]["instruct"]) == (48, False)
    main(["--model", out, "--merge", str(tmp_path / "merged")])
    as_before = ["--max-response-length", "48", "--no-instruct"]
    flags = ["--model", str(tmp_path / "merged"), *as_before, "--limit", "3", "--out", str(tmp_path / "b")]
    merged = main(flags)
    assert merged["figures"] == adapted["figures"]
    assert merged["settings"]["model_fingerprint"] == adapted["settings"]["model_fingerprint"]
    assert merged["settings"]["model_fingerprint"] != model_fingerprint(load_model(TINY_MODEL))
    assert not list((tmp_path / "merged").glob("adapter*"))
    with pytest.raises(ValueError, match="it is in use"):
        main(["--model", out, "--merge", str(tmp_path / "merged")])
    more = train([*small, "--model", out, "--steps", "1", "--limit", "4", "--out", str(tmp_path / "more")])
    assert more["finished"]
