"""What is refused before anything is loaded."""

import pytest
import torch

from full_scale.run.command_line import read_command_line
from full_scale.run.machine import check_machine, device, is_main_process, processes, weights_dtype


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


@pytest.mark.parametrize(("count", "fits"), [(1, True), (2, True), (16, True), (32, False)])
def test_each_process_gets_whole_micro_batches(monkeypatch, count, fits):
    monkeypatch.setenv("WORLD_SIZE", str(count))
    assert processes() == count
    settings = settings_of("--micro-batch-rows", "8")  # of 128 rows
    if fits:
        check_machine(settings)
    else:
        with pytest.raises(ValueError, match=f"128 responses over {count} processes"):
            check_machine(settings)


def test_a_process_knows_its_place_and_its_device(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert (processes(), is_main_process(), device()) == (1, True, torch.device("cpu"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert device() == torch.device("cuda", 0)
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (is_main_process(), device()) == (False, torch.device("cuda", 1))


@pytest.mark.parametrize(
    ("gpu", "cpu", "wanted"),
    [
        (None, set(), torch.float32),
        (None, {"_is_avx512_bf16_supported"}, torch.bfloat16),
        (None, {"_is_amx_tile_supported"}, torch.bfloat16),
        (True, set(), torch.bfloat16),
        (False, {"_is_amx_tile_supported"}, torch.float32),
    ],
)
def test_weights_are_bfloat16_where_the_machine_multiplies_it(monkeypatch, gpu, cpu, wanted):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu is not None)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *, including_emulation: gpu and not including_emulation)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name in cpu, raising=False)
    assert weights_dtype(settings_of("--dtype", "auto")) == wanted
    assert weights_dtype(settings_of("--dtype", "bfloat16")) == torch.bfloat16
    assert weights_dtype(settings_of("--dtype", "float32")) == torch.float32


def test_a_torch_that_cannot_be_asked_gets_float32(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert weights_dtype(settings_of("--dtype", "auto")) == torch.float32
