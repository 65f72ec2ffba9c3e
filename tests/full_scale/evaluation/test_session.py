"""An evaluation from its request to its results: page, tables, resuming, comparing, merging."""

import json
import re
import statistics

import pytest
import torch
from realdata import GEOMETRY3K
from rich.console import Console
from tiny import save_tiny_checkpoint

from cli.folder import Output, read_lines
from cli.program import Interrupted
from full_scale.data import load_problems
from full_scale.evaluate import main
from full_scale.evaluation import answering, session
from full_scale.evaluation.answering import shown
from full_scale.evaluation.held_out import decisions
from full_scale.evaluation.request import Request
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
    more = [*small, "--model", out, "--steps", "1", "--limit", "4", "--out", str(tmp_path / "more")]
    with pytest.raises(ValueError, match="expected a whole model for --lora-rank"):
        train([*more, "--lora-rank", "2"])
    assert train(more)["finished"]


@pytest.mark.parametrize(("interruption", "number"), [(KeyboardInterrupt(), 2), (Interrupted(15, "SIGTERM"), 15)])
def test_an_interruption_keeps_the_number_of_its_signal(tmp_path, monkeypatch, interruption, number):
    def interrupted(*_):
        raise interruption

    monkeypatch.setattr(session, "evaluate", interrupted)
    with pytest.raises(Interrupted, match="the same command with --resume goes on") as caught:
        session.run(Request(), Output(out=tmp_path / "out"), Console(quiet=True))
    assert caught.value.number == number


def test_at_most_three_benchmarks_stand_side_by_side(checkpoint, tmp_path, capsys):
    names = ["rendered", "shortcut", str(GEOMETRY3K), f"geometry3k:{GEOMETRY3K}"]
    run(checkpoint, tmp_path / "out", "--limit", "1", "--dataset", *names)
    page = (tmp_path / "out" / "answers.html").read_text()
    heads = [re.findall(r"<th[^>]*>([^<]*)</th>", table) for table in re.findall(r"(?s)<table.*?</table>", page)]
    sides = [
        [name for name in head if name in {"rendered", "shortcut", "geometry3k", "geometry3k #2"}] for head in heads
    ]
    assert [side for side in sides if side] == [["rendered", "shortcut", "geometry3k"], ["geometry3k #2"]]


def test_the_page_says_whose_answers_it_shows_and_how_they_were_made(checkpoint, finished, tmp_path):
    page = (finished[0] / "answers.html").read_text()
    assert f"Answers of {checkpoint.name}" in page
    assert "6 problems, 3 answers to each, seed 0." in page
    assert all(label in page for label in ("greedy", "sample 1", "sample 2"))
    assert "sample 3" not in page
    run(checkpoint, tmp_path / "out", "--limit", "1", "--blank-pictures")
    assert "1 problems, 1 answers to each, seed 0, pictures blanked." in (tmp_path / "out" / "answers.html").read_text()


def test_broken_records_are_listed_beside_the_results(checkpoint, tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text(json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n" + json.dumps({"question": ""}) + "\n")
    flags = ["--dataset", str(table), "--split", "train"]
    with pytest.raises(ValueError, match=r"row 2 has no column for the answer.*--skip-broken"):
        run(checkpoint, tmp_path / "strict", *flags)
    results = run(checkpoint, tmp_path / "out", *flags, "--skip-broken")
    assert [summary["problems"] for summary in results["figures"].values()] == [1]
    assert len(read_lines(tmp_path / "out" / "quarantine.jsonl")) == 1
