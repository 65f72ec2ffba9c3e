"""Ray Train's two workers are two ordinary processes: the same metrics, the same weights.

`make test-ray` runs this in an environment of its own.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--preset",
    "tiny-text",
    "--steps",
    "4",
    "--prompts-per-step",
    "4",
    "--micro-batch-rows",
    "16",
    "--limit",
    "64",
)
FLAGS += ("--evaluate-problems", "8", "--evaluate-samples", "1", "--save-every", "2")
TIMES = ("step_time", "profiling", "runtime", "per_second")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
}


def run(*command):
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if not any(word in name for word in TIMES)} for line in lines]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    ordinary, ray = place / "ordinary", place / "ray"
    run(*("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "full_scale/train.py"), *FLAGS,
        *("--out", ordinary))  # fmt: skip
    run("full_scale/ray_train.py", 2, *FLAGS, "--out", ray)
    print(f"ray {version('ray')}, torch {version('torch')}: two workers and two ordinary processes, four updates")
    return ordinary, ray


def test_two_workers_have_the_metrics_of_two_processes(folders):
    ordinary, ray = map(metrics, folders)
    assert [line["step"] for line in ray] == [1, 2, 3, 4]
    assert ray == ordinary
    assert any(line["loss"] for line in ray)


def test_and_their_weights(folders):
    ordinary, ray = (load_file(folder / "model.safetensors") for folder in folders)
    assert all((ordinary[name] == ray[name]).all() for name in ordinary)
    assert json.loads((folders[1] / "results.json").read_text())["processes"] == 2
