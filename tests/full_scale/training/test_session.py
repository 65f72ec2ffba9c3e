"""A training run from its settings to its results: real problems, checkpoints, resuming, what is left behind."""

import json
import shutil
import signal

import pytest
import torch
from realdata import GEOMETRY3K
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import save_tiny_checkpoint
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from cli.program import Interrupted
from full_scale.model.checkpoint import TINY_TEXT_MODEL, load_model
from full_scale.model.processor import load_processor
from full_scale.run.folder import read_metrics
from full_scale.train import main
from full_scale.training import parts, session
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
SMALL = [
    "--prompts-per-step",
    "2",
    "--micro-batch-rows",
    "2",
    "--group-size",
    "2",
    "--max-response-length",
    "48",
    "--evaluate-problems",
    "0",
]
CONSTANT = ["--learning-rate-schedule", "constant"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def rewarded(monkeypatch):
    """Rewards that a model with random weights gets too, so that its gradient is not zero."""

    def by_length(completions, completion_ids, log_extra, **_):
        right = [sum(ids) % 3 == 0 for ids in completion_ids]
        log_extra("correct", right)
        return list(map(float, right))

    monkeypatch.setattr(session, "total_reward", by_length)


def run(checkpoint, out, *flags):
    return main([*SMALL, "--model", str(checkpoint), "--limit", "8", "--out", str(out), *flags])


def test_three_steps_on_real_geometry3k_move_text_and_vision(tmp_path, checkpoint, rewarded):
    flags = ["--dataset", str(GEOMETRY3K), "--experts", "answer_only", "--steps", "3", "--learning-rate", "1e-3"]
    run(checkpoint, tmp_path / "out", *flags, "--limit", "3")
    before = dict(load_model(checkpoint).named_parameters())
    after = load_model(tmp_path / "out")
    assert type(after).__name__ == "Qwen2_5_VLForConditionalGeneration"
    moved = {name for name, weight in after.named_parameters() if not torch.equal(weight, before[name])}
    assert any("visual" in name for name in moved)
    assert any("language_model" in name for name in moved)
    metrics = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in metrics] == [1, 2, 3]
    assert all({"reward", "accuracy", "entropy", "loss/exploration"} <= set(record) for record in metrics)
    assert all(record["grad_norm"] > 0 and record["rows"] > 4 for record in metrics)


def test_a_run_leaves_results_curves_answers_and_logs(tmp_path, checkpoint, capsys):
    out = tmp_path / "out"
    flags = ["--evaluate-problems", "4", "--evaluate-samples", "2", "--steps", "1", "--slope", "0.25"]
    results = run(checkpoint, out, *flags)
    assert json.loads((out / "results.json").read_text()) == results
    assert (results["problems"], results["steps"], results["method"]) == (4, 1, "calibrl")
    assert results["skipped_updates"] == 0
    for when in ("before", "after"):
        assert 0 < results[when]["entropy"] < 10
        for name in ("greedy_accuracy", "sampled_accuracy", "entropy"):
            low, high = results[when]["interval_95"][name]
            assert low <= results[when][name] <= high
    assert results["blank_pictures"]["greedy_accuracy"] == 0.0
    assert results["settings"]["recipe"]["slope"] == 0.25
    assert results["settings"]["recipe"]["exploration_weight"] == 0.1
    assert results["versions"]["trl"].startswith("1.16")
    assert "before training" in capsys.readouterr().out
    page = (out / "answers.html").read_text()
    assert page.count("data:image/png;base64") == 4
    assert all((out / name).stat().st_size > 1000 for name in ("curves.png", "curves.svg"))
    assert any("reward" in tag for tag in tensorboard_tags(out))


def test_updates_that_are_not_finite_are_counted_in_the_results(tmp_path, checkpoint, rewarded, monkeypatch):
    loss = HybridPolicyTrainer._compute_loss

    def spoilt(self, model, inputs):
        return loss(self, model, inputs) * (float("nan") if self.state.global_step == 0 else 1.0)

    monkeypatch.setattr(HybridPolicyTrainer, "_compute_loss", spoilt)
    results = run(checkpoint, tmp_path / "out", "--steps", "2")
    assert (results["steps"], results["skipped_updates"]) == (2, 1)


def tensorboard_tags(out):
    (folder,) = (out / "runs").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    return events.Tags()["scalars"]


def test_a_text_model_trains_on_gsm8ks_layout(tmp_path):
    flags = ["--preset", "tiny-text", *SMALL, "--limit", "6", "--evaluate-problems", "3", "--evaluate-samples", "1"]
    results = main([*flags, "--steps", "2", "--learning-rate", "1e-3", "--out", str(tmp_path / "out")])
    assert "blank_pictures" not in results
    assert results["before"]["interval_95"]
    trained = load_model(tmp_path / "out")
    assert type(trained).__name__ == "Qwen2ForCausalLM"
    assert isinstance(load_processor(tmp_path / "out"), PreTrainedTokenizerBase)
    metrics = read_metrics(tmp_path / "out" / "metrics.jsonl")
    assert [record["step"] for record in metrics] == [1, 2]
    before = dict(load_model(TINY_TEXT_MODEL).named_parameters())
    moved = [name for name, weight in trained.named_parameters() if not torch.equal(weight, before[name])]
    assert bool(moved) == any(record["grad_norm"] > 0 for record in metrics)


def test_adapters_alone_are_trained_and_load_again(tmp_path, checkpoint, rewarded):
    flags = ["--lora-rank", "2", "--lora-targets", ".*language_model.*q_proj", "--learning-rate", "1e-2"]
    run(checkpoint, tmp_path / "out", *flags, "--steps", "2", "--save-every", "2")
    adapter = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert adapter
    assert all("q_proj.lora_" in name for name in adapter)
    assert any(weight.abs().sum() > 0 for name, weight in adapter.items() if "lora_B" in name)
    assert not (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sft_grpo", "luffy", "dapo", "cppo"])
def test_other_methods_train_by_name(tmp_path, checkpoint, rewarded, method):
    results = run(checkpoint, tmp_path / "out", "--method", method, "--steps", "3")
    assert results["steps"] == 3
    metrics = read_metrics(tmp_path / "out" / "metrics.jsonl")
    assert len(metrics) == 3
    assert any(record["grad_norm"] > 0 for record in metrics)
    assert ("loss/imitation" in metrics[0]) == (method == "sft_grpo")


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, checkpoint, rewarded):
    flags = ["--learning-rate", "1e-3", "--save-every", "2"]
    run(checkpoint, tmp_path / "whole", *flags, "--steps", "4")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "results.json").unlink()
    run(checkpoint, tmp_path / "cut", *flags, "--steps", "4", "--resume")
    wanted, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    for name, weight in wanted.items():
        torch.testing.assert_close(
            found[name], weight, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert not torch.equal(wanted[name], load_file(tmp_path / "whole" / "checkpoint-2" / "model.safetensors")[name])
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def interrupting(monkeypatch, after=1):
    """Ctrl-C after an update."""
    original = session.Reporter.on_log

    def on_log(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == after:
            self.interrupt(signal.SIGINT)

    monkeypatch.setattr(session.Reporter, "on_log", on_log)


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_and_results_that_say_so(tmp_path, checkpoint, monkeypatch, capsys):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        interrupting(patch)
        message = r"after update 2 of 3; the same command with --resume goes on"
        with pytest.raises(Interrupted, match=message):
            run(checkpoint, out, "--steps", "3")
    results = json.loads((out / "results.json").read_text())
    assert (results["finished"], results["steps"]) == (False, 2)
    assert results["interrupted_by"]
    load_model(out / "checkpoint-2")
    load_processor(out)
    results = run(checkpoint, out, "--steps", "3", "--resume")
    assert (results["finished"], results["steps"]) == (True, 3)
    assert "interrupted_by" not in json.loads((out / "results.json").read_text())
    capsys.readouterr()
    weights = (out / "model.safetensors").read_bytes()
    assert run(checkpoint, out, "--steps", "3", "--resume") == results
    assert "is finished: 3 updates; more with --steps" in capsys.readouterr().out
    assert (out / "model.safetensors").read_bytes() == weights


def test_a_closing_evaluation_that_was_cut_off_leaves_unfinished_results(tmp_path, checkpoint, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    flags = ["--steps", "1", "--evaluate-problems", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(session, "answers_after", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint, tmp_path / "out", *flags)
    assert json.loads((tmp_path / "out" / "results.json").read_text())["finished"] is False


def test_a_run_without_a_checkpoint_begins_again_by_resume(tmp_path, checkpoint, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session.HybridPolicyTrainer, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            run(checkpoint, tmp_path / "out", "--steps", "1")
    (tmp_path / "out" / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    assert run(checkpoint, tmp_path / "out", "--steps", "1", "--resume")["finished"]
    assert [record["step"] for record in read_metrics(tmp_path / "out" / "metrics.jsonl")] == [1]


@pytest.mark.slow
def test_an_earlier_checkpoint_can_be_gone_on_from(tmp_path, checkpoint, rewarded, capsys):
    flags = ["--learning-rate", "1e-3", "--save-every", "1", *CONSTANT]
    run(checkpoint, tmp_path / "out", *flags, "--steps", "2")
    wanted = load_file(tmp_path / "out" / "model.safetensors")
    (tmp_path / "out" / "results.json").unlink()
    run(checkpoint, tmp_path / "out", *flags, "--steps", "2", "--resume", "--checkpoint", "checkpoint-1")
    assert "going on after update 1; later checkpoint kept as former-1-checkpoint-2" in capsys.readouterr().out
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(found[name], weight) for name, weight in wanted.items())
    assert [record["step"] for record in read_metrics(tmp_path / "out" / "metrics.jsonl")] == [1, 2]


def test_a_crash_leaves_a_report_and_versions_were_asked_before(tmp_path, checkpoint, monkeypatch):
    def fail(*_, **__):
        monkeypatch.setattr(parts, "versions", lambda: pytest.fail("too late"))
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(session.HybridPolicyTrainer, "train", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(checkpoint, tmp_path / "out", "--steps", "1")
    report = json.loads((tmp_path / "out" / "crash.json").read_text())
    assert report["error"]["message"] == "shapes differ"
    assert report["versions"]["trl"].startswith("1.16")


@pytest.mark.slow
def test_overwriting_waits_until_all_is_checked_and_spares_what_is_not_ours(tmp_path, checkpoint):
    out = tmp_path / "out"
    run(checkpoint, out, "--steps", "1")
    kept = sorted(path.name for path in out.rglob("*"))
    for wrong in (["--dataset", "/nonexistent"], ["--model", "./my_model"], ["--max-prompt-length", "5"]):
        with pytest.raises(ValueError, match=r"Fix|raise it|valid"):
            run(checkpoint, out, "--steps", "1", "--overwrite", *wrong)
        assert sorted(path.name for path in out.rglob("*")) == kept
    (out / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match=r"--overwrite: .* also holds thesis.tex, which this program did not write"):
        run(checkpoint, out, "--steps", "1", "--overwrite")
    (out / "thesis.tex").unlink()
    assert run(checkpoint, out, "--steps", "1", "--overwrite", "--seed", "3")["settings"]["seed"] == 3


def test_a_used_output_folder_is_refused(tmp_path, checkpoint):
    (tmp_path / "file").write_text("precious")
    for flags in ([], ["--overwrite"]):
        with pytest.raises(ValueError, match="in use, file is no file of ours"):
            run(checkpoint, tmp_path, "--steps", "1", *flags)
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(ValueError, match="expected a folder, it is a file"):
        run(checkpoint, tmp_path / "file", "--steps", "1")
    with pytest.raises(ValueError, match="holds no run"):
        run(checkpoint, tmp_path, "--steps", "1", "--resume")
    for place in ("/proc/run", "/dev/null/x"):
        with pytest.raises(ValueError, match=f"out={place}: cannot be written"):
            run(checkpoint, place, "--steps", "1")


def test_two_runs_do_not_share_a_folder(tmp_path, checkpoint, monkeypatch):
    def load_while_another_starts(*_):
        with pytest.raises(ValueError, match="another run is writing there"):
            main([*SMALL, "--model", str(checkpoint), "--out", str(tmp_path / "out")])
        raise ValueError("enough")

    monkeypatch.setattr(session, "load", load_while_another_starts)
    with pytest.raises(ValueError, match="enough"):
        run(checkpoint, tmp_path / "out", "--steps", "1")
    assert not (tmp_path / "out").exists()


def test_resuming_with_other_settings_is_refused(tmp_path, checkpoint):
    run(checkpoint, tmp_path / "out", "--steps", "1")
    for flags, message in (
        (["--method", "grpo"], "method was 'calibrl', now 'grpo'"),
        (["--model", "tiny"], "model was '.*', now 'tiny'"),
        (["--limit", "7"], "limit was 8, now 7"),
    ):
        with pytest.raises(ValueError, match=message):
            run(checkpoint, tmp_path / "out", "--steps", "1", "--resume", *flags)


def test_too_long_prompts_are_dropped_with_a_count(tmp_path, checkpoint):
    with pytest.raises(ValueError, match=r"all 8 prompts are longer than max_prompt_length \(5\)"):
        run(checkpoint, tmp_path / "out", "--max-prompt-length", "5")


def test_a_plateau_keeps_problems_back_for_its_validation_loss(tmp_path, checkpoint, capsys):
    flags = ["--method", "sft_grpo", "--plateau-patience", "1", "--plateau-fall", "100", "--steps", "6"]
    results = run(checkpoint, tmp_path / "out", *flags)
    metrics = read_metrics(tmp_path / "out" / "metrics.jsonl")
    assert ["loss/imitation" in record for record in metrics] == [True] + [False] * 5
    assert ["validation_loss" in record for record in metrics] == [True, True] + [False] * 4
    assert (
        "kept back, so that the loss on their experts ends the supervised stage: 1 problems" in capsys.readouterr().out
    )
    assert results["problems"] == 7
