"""The training command: what is refused before anything is written, and how it ends."""

import json
import signal
import subprocess
import sys

import pytest
from realdata import ROOT
from tiny import save_tiny_checkpoint

from full_scale.train import main


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset", "nope"], "unknown data set 'nope'.*valid: rendered"),
        (["--experts", "column:nope"], "has no column 'nope'"),
        (["--model", "./my_model"], "model='./my_model': expected a folder with a checkpoint"),
        (["--preset", "qwen2.5-vl-7b"], r"need a GPU, and torch finds none.*--preset tiny"),
    ],
)
def test_bad_input_says_what_to_do(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main(["--out", str(tmp_path / "out"), *flags])
    assert not (tmp_path / "out").exists()


def test_print_config_starts_nothing(tmp_path, capsys):
    assert main(["--print-config", "--preset", "qwen2.5-vl-7b", "--out", str(tmp_path / "out")]) == {}
    assert "preset qwen2.5-vl-7b" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_signal_ends_the_command_with_a_checkpoint_and_its_status(tmp_path):
    small = ("--prompts-per-step", "2", "--micro-batch-rows", "2", "--group-size", "2", "--evaluate-problems", "0")
    model = str(save_tiny_checkpoint(tmp_path / "model"))
    flags = [*small, "--max-response-length", "48", "--limit", "8", "--model", model, "--steps", "50"]
    script, out = str(ROOT / "full_scale" / "train.py"), tmp_path / "out"
    command = [sys.executable, "-u", script, *flags, "--save-every", "50", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("update 1/"):
                process.send_signal(signal.SIGTERM)
        process.wait(timeout=300)
        said = process.stderr.read().splitlines()[-1]
    assert process.returncode == 128 + signal.SIGTERM
    results = json.loads((out / "results.json").read_text())
    assert (results["finished"], results["interrupted_by"]) == (False, "SIGTERM")
    assert said == f"SIGTERM after update {results['steps']} of 50; the same command with --resume goes on"
    assert (out / f"checkpoint-{results['steps']}" / "manifest.json").is_file()
