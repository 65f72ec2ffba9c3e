"""What is refused before anything is loaded."""

import pytest

from full_scale.run.command_line import read_command_line
from full_scale.run.machine import check_machine


def settings_of(*flags):
    return read_command_line(flags).settings


def test_a_missing_gpu_is_named_with_the_fix(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"these settings need a GPU, and torch finds none.*nvidia-smi.*--preset tiny"):
        check_machine(settings_of("--needs-gpu"))


def test_engines_are_checked_too(monkeypatch):
    monkeypatch.setattr("full_scale.run.engines.find_spec", lambda _: None)
    with pytest.raises(ValueError, match="which is not installed"):
        check_machine(settings_of("--lora-rank", "8"))


def test_rows_that_cannot_be_dealt_to_the_processes_are_refused(monkeypatch):
    monkeypatch.setattr("full_scale.run.machine.processes", lambda: 3)
    wanted = "micro_batch_rows=8: expected a divisor of .*, 128 responses over 3 processes. Fix: .*--micro-batch-rows"
    with pytest.raises(ValueError, match=wanted):
        check_machine(settings_of("--micro-batch-rows", "8"))
