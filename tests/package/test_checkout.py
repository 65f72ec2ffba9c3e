"""A checkout runs everything from its environment, from any folder, without PYTHONPATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["train.py", "evaluate.py", "make_experts.py", "pretrain.py"]


def help_of(*command, cwd):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *command, "--help"], env=clean, cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("folder", ["the checkout", "elsewhere"])
def test_the_toy_runs_from_any_folder(folder, tmp_path):
    assert "compare" in help_of("-m", "toy", cwd=ROOT if folder == "the checkout" else tmp_path)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_from_any_folder(script, tmp_path):
    assert script in help_of(ROOT / "full_scale" / script, cwd=tmp_path)
