"""The training command: real problems, checkpoints, resuming, and bad input."""

import json
import shutil

import pytest
import torch
from realdata import GEOMETRY3K
from safetensors.torch import load_file
from tiny import tiny_model, tiny_processor

from full_scale import train
from full_scale.model import load_model
from full_scale.processor import load_processor
from full_scale.train import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
SMALL = [
    "--prompts-per-step",
    "2",
    "--micro-batch-prompts",
    "1",
    "--group-size",
    "2",
    "--max-response-length",
    "48",
    "--evaluate-problems",
    "0",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    processor = tiny_processor()
    tiny_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def rewarded(monkeypatch):
    """Rewards that a model with random weights gets too, so that its gradient is not zero."""

    def by_length(completions, completion_ids, **_):
        return [float(sum(ids) % 3 == 0) for ids in completion_ids]

    monkeypatch.setattr(train, "accuracy", by_length)


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


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, checkpoint, rewarded):
    flags = ["--learning-rate", "1e-3", "--save-every", "2"]
    run(checkpoint, tmp_path / "whole", *flags, "--steps", "4")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    run(checkpoint, tmp_path / "cut", *flags, "--steps", "4", "--resume")
    wanted, found = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    for name, weight in wanted.items():
        torch.testing.assert_close(
            found[name], weight, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert not torch.equal(wanted[name], load_file(tmp_path / "whole" / "checkpoint-2" / "model.safetensors")[name])
    lines = (tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]


def test_ctrl_c_leaves_a_checkpoint(tmp_path, checkpoint, monkeypatch):
    original = train.Reporter.on_log

    def interrupting(self, args, state, control, **kwargs):
        original(self, args, state, control, **kwargs)
        if state.global_step == 1:
            self.interrupt(2, None)

    monkeypatch.setattr(train.Reporter, "on_log", interrupting)
    results = run(checkpoint, tmp_path / "out", "--steps", "9")
    assert results["steps"] < 9
    load_model(tmp_path / "out" / f"checkpoint-{results['steps']}")
    load_processor(tmp_path / "out")


def test_a_used_output_folder_is_refused(tmp_path, checkpoint):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ValueError, match="is not empty; choose another --out, or --resume, or --overwrite"):
        run(checkpoint, tmp_path, "--steps", "1")
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(ValueError, match="has no checkpoint"):
        run(checkpoint, tmp_path, "--steps", "1", "--resume")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "nope"], "method 'nope' is unknown; valid: grpo, dr_grpo"),
        (["--preset", "nope"], "preset 'nope' is unknown; valid: .*tiny"),
        (["--dataset", "nope"], "unknown data set 'nope'.*valid: rendered"),
        (["--group-size", "1"], "group_size is 1"),
        (["--prompts-per-step", "3", "--micro-batch-prompts", "2"], "does not divide prompts_per_step"),
    ],
)
def test_bad_input_lists_what_is_valid(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(["--out", str(tmp_path / "out"), *flags])


def test_too_long_prompts_are_dropped_with_a_count(tmp_path, checkpoint):
    with pytest.raises(ValueError, match=r"all 8 prompts are longer than max_prompt_length \(5\)"):
        run(checkpoint, tmp_path / "out", "--max-prompt-length", "5")


def test_print_config_shows_where_each_value_comes_from(capsys):
    assert main(["--print-config", "--slope", "0.3"]) == {}
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["slope"].split()[1:] == ["0.3", "command", "line"]
    assert lines["learning_rate"].endswith("preset tiny")
    assert lines["exploration_weight"].endswith("default of calibrl")
