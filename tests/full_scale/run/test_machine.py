"""What TRL, PEFT and vLLM are told, and what is refused before anything is loaded."""

import pytest

from full_scale.run.command_line import read_command_line
from full_scale.run.machine import check_machine
from full_scale.training.engine import adapters, trainer_arguments

pytestmark = pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # TRL 1.16


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


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], {"use_vllm": False}),
        (
            ["--vllm", "colocate", "--vllm-memory", "0.4"],
            {
                "use_vllm": True,
                "vllm_mode": "colocate",
                "vllm_gpu_memory_utilization": 0.4,
                "vllm_max_model_length": 560,
            },
        ),
        (
            ["--vllm", "server", "--vllm-url", "http://host:8000"],
            {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": "http://host:8000"},
        ),
    ],
)
def test_vllm_settings_reach_trl(tmp_path, flags, expected):
    args = trainer_arguments(settings_of(*flags), tmp_path, needs_reference=False)
    assert {name: getattr(args, name) for name in expected} == expected
    assert args.vllm_importance_sampling_correction is False


def test_training_settings_reach_trl(tmp_path):
    flags = ["--micro-batch-rows", "32", "--updates-per-sampling", "2", "--learning-rate-schedule", "linear"]
    args = trainer_arguments(settings_of(*flags, "--gradient-checkpointing"), tmp_path, needs_reference=True)
    assert (args.gradient_accumulation_steps, args.steps_per_generation, args.num_generations) == (4, 8, 8)
    assert (args.lr_scheduler_type, args.activation_checkpointing, args.beta) == ("linear", True, 1e-3)
    assert args.report_to == ["tensorboard"]


def test_adapters_only_where_they_are_asked_for():
    assert adapters(settings_of()) is None
    config = adapters(settings_of("--lora-rank", "4", "--lora-alpha", "8", "--lora-targets", "q_proj"))
    assert (config.r, config.lora_alpha, config.target_modules) == (4, 8, "q_proj")
