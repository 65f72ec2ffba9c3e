"""Nothing leaves the machine unless asked: runs and library use look up no address."""

import os
import subprocess
import sys

import pytest
from realdata import ROOT

pytestmark = pytest.mark.slow

SMALL = "--prompts-per-step 2 --group-size 2 --micro-batch-rows 4 --max-response-length 64 --limit 4 --steps 1"
CODE = f"""
import sys, time
seen = []
def hook(name, arguments):
    if name == "socket.getaddrinfo" or (name == "socket.connect" and isinstance(arguments[1], tuple)):
        seen.append(str(arguments))
sys.addaudithook(hook)
import trl  # before this project, as a user's own script may
from benchmarks.full_scale import Load, tiny_trainer
tiny_trainer("calibrl", "OUT/own", 1, Load())
from full_scale import evaluate, train
train.main("{SMALL} --evaluate-problems 2 --out OUT/run".split())
evaluate.main("--limit 2 --max-response-length 4 --out OUT/evaluation".split())
for script in (train, evaluate):
    try:
        script.main(["--model", "./my_model", "--out", "OUT/none"])
    except ValueError:
        pass
time.sleep(1)
sys.exit(str(seen) if seen else 0)
"""


def test_no_address_is_looked_up(tmp_path):
    unset = ("CI", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DO_NOT_TRACK")
    environment = {key: value for key, value in os.environ.items() if key not in unset} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE.replace("OUT", str(tmp_path))]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
