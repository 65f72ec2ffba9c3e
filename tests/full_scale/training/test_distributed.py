"""Several processes: the same losses, metrics and weights as one."""

import json

import pytest
from distributed_run import UPDATES, assert_equal_to_one_process
from on_cpu import launch
from tiny import tiny_model
from tiny_runs import processor
from whole_runs import assert_same_training, assert_went_on_exactly, whole_and_resumed

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


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("two")
    launch("ddp", "distributed_run.py", folder, model, 2, *EQUAL, "calibrl_dapo")
    return folder


@pytest.mark.parametrize("recipe", EQUAL)
def test_two_processes_equal_one(tmp_path, model, two_processes, recipe):
    assert_equal_to_one_process(recipe, two_processes, model, tmp_path, engine="plain")


def test_two_processes_refill_their_updates_together(two_processes):
    """Which further prompts come depends on the number of processes; that the update is full does not."""
    found = json.loads((two_processes / "calibrl_dapo.json").read_text())
    assert found["rows"] == [20] * UPDATES  # four groups of four responses and an expert
    assert sum(found["dropped_groups"]) > 0


def test_a_sharded_model_equals_a_whole_one(tmp_path, model):
    recipes = ("calibrl", "calibrl:2", "calibrl_released")
    launch("fsdp2", "distributed_run.py", tmp_path, model, 2, *recipes)
    for recipe in recipes:
        assert_equal_to_one_process(recipe, tmp_path, model, tmp_path / "one", engine="fsdp2")


def test_two_processes_go_on_exactly_within_a_sampling(tmp_path, model):
    launch("ddp", "distributed_run.py", tmp_path, model, 2, "resume")
    first, second = json.loads((tmp_path / "resume.json").read_text())
    assert first["equal"]
    assert second["equal"]
    assert first["losses"][0] == first["losses"][1]
    assert first["losses"][0] != [0.0] * 4
    names = {path.name for path in (tmp_path / "whole" / "checkpoint-1").iterdir()}
    assert {"rollouts_0.pt", "rollouts_1.pt", "rng_state_0.pth", "rng_state_1.pth"} <= names


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory):
    """Of each engine a run with real sampling, held-out answers and checkpoints, and one that was resumed."""
    return {name: whole_and_resumed(name, tmp_path_factory.mktemp(name)) for name in ("ddp", "fsdp2")}


@pytest.mark.parametrize("engine", ["ddp", "fsdp2"])
def test_two_processes_sample_train_answer_and_go_on_exactly(whole_runs, engine):
    assert_went_on_exactly(*whole_runs[engine])


def test_a_sharded_model_samples_and_learns_the_same(whole_runs):
    assert_same_training(whole_runs["ddp"][0], whole_runs["fsdp2"][0])
