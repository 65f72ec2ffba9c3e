"""Several processes: the same losses, metrics and weights as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from distributed_run import trained
from tiny import tiny_model
from training import processor

HERE = Path(__file__).parent
EQUAL = ("grpo", "calibrl", "calibrl:2", "calibrl_released", "calibrl_shuffled_expert", "cppo")
pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny_model(processor()).save_pretrained(folder)
    return str(folder)


def launch(folder, model, recipes, **environment):
    """Two processes on this machine, over gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [str(HERE / "distributed_run.py"), str(folder), model, "2", *recipes]
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("two")
    launch(folder, model, [*EQUAL, "calibrl_dapo"])
    return folder


@pytest.mark.parametrize("recipe", EQUAL)
def test_two_processes_equal_one(tmp_path, model, two_processes, recipe):
    wanted, weights = trained(recipe, tmp_path, model, 1)
    found = json.loads((two_processes / f"{recipe}.json").read_text())
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, abs=1e-6, rel=1e-5), name
    state = torch.load(two_processes / f"{recipe}.pt")
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    start = tiny_model(processor()).state_dict()
    assert any((value - start[name]).abs().max() > 1e-4 for name, value in weights.items())


def test_two_processes_refill_their_updates_together(two_processes):
    """Which further prompts come depends on the number of processes; that the update is full does not."""
    found = json.loads((two_processes / "calibrl_dapo.json").read_text())
    assert found["rows"] == [20, 20]  # four groups of four responses and an expert
    assert sum(found["dropped_groups"]) > 0
