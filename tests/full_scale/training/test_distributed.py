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
from tiny_runs import processor

HERE = Path(__file__).parents[1]
EQUAL = ("grpo", "calibrl", "calibrl:2", "calibrl_released", "calibrl_shuffled_expert", "cppo", "sft")
pytestmark = [
    pytest.mark.slow,
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


def assert_equal_to_one_process(recipe, folder, model, one, *, sharded):
    wanted, weights = trained(recipe, one, model, 1)
    found = json.loads((folder / f"{recipe}.json").read_text())
    assert found.pop("sharded") == sharded
    assert not wanted.pop("sharded")
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, abs=1e-6, rel=1e-5), name
    state = torch.load(folder / f"{recipe}.pt")
    for name, value in weights.items():
        torch.testing.assert_close(state[name], value, atol=1e-6, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
    start = tiny_model(processor()).state_dict()
    assert any((value - start[name]).abs().max() > 1e-4 for name, value in weights.items())


@pytest.mark.parametrize("recipe", EQUAL)
def test_two_processes_equal_one(tmp_path, model, two_processes, recipe):
    assert_equal_to_one_process(recipe, two_processes, model, tmp_path, sharded=False)


def test_two_processes_refill_their_updates_together(two_processes):
    """Which further prompts come depends on the number of processes; that the update is full does not."""
    found = json.loads((two_processes / "calibrl_dapo.json").read_text())
    assert found["rows"] == [20, 20]  # four groups of four responses and an expert
    assert sum(found["dropped_groups"]) > 0


def test_a_sharded_model_equals_a_whole_one(tmp_path, model):
    options = {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen2_5_VLDecoderLayer,Qwen2_5_VLVisionBlock",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
    }
    recipes = ("calibrl", "calibrl:2", "calibrl_released")
    launch(tmp_path, model, recipes, **options)
    for recipe in recipes:
        assert_equal_to_one_process(recipe, tmp_path, model, tmp_path / "one", sharded=True)


def test_two_processes_go_on_exactly_within_a_sampling(tmp_path, model):
    launch(tmp_path, model, ["resume"])
    first, second = json.loads((tmp_path / "resume.json").read_text())
    assert first["equal"]
    assert second["equal"]
    assert first["losses"][0] == first["losses"][1]
    assert first["losses"][0] != [0.0] * 4
    names = {path.name for path in (tmp_path / "whole" / "checkpoint-1").iterdir()}
    assert {"rollouts_0.pt", "rollouts_1.pt", "rng_state_0.pth", "rng_state_1.pth"} <= names
