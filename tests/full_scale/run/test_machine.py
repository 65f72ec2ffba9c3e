"""What is refused before anything is loaded."""

import pytest

from full_scale.run.command_line import read_command_line
from full_scale.run.machine import check_machine


def settings_of(*flags):
    return read_command_line(flags).settings


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--needs-gpu"], "these settings need a GPU, and torch finds none.*nvidia-smi.*--preset tiny"),
        (["--lora-rank", "8"], r"lora_rank.* needs peft, which is not installed: pip install '.\[lora\]'"),
        (["--vllm", "colocate"], r"needs vllm, which is not installed: pip install '.\[vllm\]'"),
    ],
)
def test_what_the_machine_lacks_is_named_with_the_fix(monkeypatch, flags, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=message):
        check_machine(settings_of(*flags), is_installed=lambda _: False)


def test_deepspeed_is_needed_only_under_its_configuration(monkeypatch):
    check_machine(settings_of(), is_installed=lambda _: False)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(ValueError, match=r"needs deepspeed, which is not installed: pip install '.\[deepspeed\]'"):
        check_machine(settings_of(), is_installed=lambda _: False)


def test_rows_that_cannot_be_dealt_to_the_processes_are_refused(monkeypatch):
    monkeypatch.setattr("full_scale.run.machine.processes", lambda: 3)
    with pytest.raises(ValueError, match="an update's 128 responses cannot be dealt to 3 processes"):
        check_machine(settings_of("--micro-batch-rows", "8"))
