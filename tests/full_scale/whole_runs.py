"""A run of train.py in two processes, and the same one that goes on from its middle; what both came to."""

import json
import shutil

import pytest
import torch
from on_cpu import launch
from safetensors.torch import load_file

TIMES = ("step_time", "profiling", "runtime", "per_second", "seconds")
FLAGS = ("--preset", "tiny", "--steps", 4, "--save-every", 2, "--group-size", 4, "--prompts-per-step", 4)
FLAGS += ("--micro-batch-rows", 4, "--limit", 64, "--evaluate-problems", 8, "--evaluate-samples", 1)


def figures(folder):
    """Metrics, weights and results of a run, without times."""
    lines = [json.loads(line).items() for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = [{name: value for name, value in line if not any(word in name for word in TIMES)} for line in lines]
    results = json.loads((folder / "results.json").read_text())
    results.pop("seconds")
    return metrics, load_file(folder / "model.safetensors"), results


def whole_and_resumed(configuration, folder, **environment):
    """Train with real sampling, held-out answers and checkpoints; then again from the second checkpoint on.

    Args:
        configuration: As ``on_cpu.launch``.
        folder: For both.
        environment: As there.

    Returns:
        The figures of both.
    """
    whole, cut = folder / "whole", folder / "cut"
    launch(configuration, "on_cpu.py", *FLAGS, "--out", whole, **environment)
    shutil.copytree(whole, cut)
    for name in ("results.json", "model.safetensors"):
        (cut / name).unlink()
    launch(configuration, "on_cpu.py", *FLAGS, "--out", cut, "--resume", "--checkpoint", "checkpoint-2", **environment)
    return figures(whole), figures(cut)


def assert_went_on_exactly(whole, resumed):
    """To the last bit."""
    (metrics, weights, results), (metrics_again, weights_again, results_again) = whole, resumed
    assert metrics_again == metrics
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert any(line["loss"] for line in metrics)
    assert all((weights_again[name] == value).all() for name, value in weights.items())
    assert results_again == results
    assert results["processes"] == 2


def assert_same_training(first, second):
    """The same responses, losses and answers; in the weights no more than what is rounded otherwise."""
    (metrics, weights, results), (metrics_of_second, weights_of_second, results_of_second) = first, second
    for name in ("num_tokens", "accuracy", "completions/max_length"):
        assert [line[name] for line in metrics_of_second] == [line[name] for line in metrics]
    losses = [[line["loss"] for line in lines] for lines in (metrics, metrics_of_second)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6, abs=1e-7)
    for name, value in weights.items():
        torch.testing.assert_close(weights_of_second[name], value, atol=1e-6, rtol=0)
    assert results_of_second["after"]["greedy_accuracy"] == results["after"]["greedy_accuracy"]
