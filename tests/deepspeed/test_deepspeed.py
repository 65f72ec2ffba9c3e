"""The shipped configurations for DeepSpeed, on two CPU processes: one process's losses and weights, an exact resume.

`make test-deepspeed` runs this in an environment of its own.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from distributed_run import assert_equal_to_one_process
from on_cpu import launch
from tiny import save_tiny_checkpoint
from whole_runs import assert_went_on_exactly, whole_and_resumed

CONFIGURATIONS = ("deepspeed_zero2", "deepspeed_zero3")
ON_CPU = {
    "DS_ACCELERATOR": "cpu",
    "ACCELERATE_TORCH_DEVICE": "cpu",
    "TORCH_EXTENSIONS_DIR": str(Path(sys.prefix, "extensions")),  # DeepSpeed compiles one
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    print(f"deepspeed {version('deepspeed')}, torch {version('torch')}: {', '.join(CONFIGURATIONS)}, two processes")
    return str(save_tiny_checkpoint(tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize("recipe", ["calibrl", "calibrl:2"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_losses_and_weights_are_those_of_one_process(tmp_path, model, configuration, recipe):
    launch(configuration, "distributed_run.py", tmp_path, model, 2, recipe, **ON_CPU)
    assert_equal_to_one_process(recipe, tmp_path, model, tmp_path / "one", engine=configuration)


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_run_goes_on_exactly(tmp_path, configuration):
    assert_went_on_exactly(*whole_and_resumed(configuration, tmp_path, **ON_CPU))
