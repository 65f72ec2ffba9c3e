"""Killed runs resume exactly: a few random points; ``python tests/full_scale/kills.py`` tries fifty."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[1]
POINTS = 7


def test_killed_runs_end_as_runs_that_were_not():
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "kills.py"), "--points", str(POINTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{POINTS} of {POINTS} runs equal to the last bit" in done.stdout
