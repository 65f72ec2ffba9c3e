"""The shipped presets and accelerate configurations: complete, commented, and understood by those who read them."""

import re
from dataclasses import asdict

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import DistributedType

from full_scale.run.command_line import PRESETS, read_command_line
from full_scale.training.engine import trainer_arguments

pytestmark = pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # TRL 1.16
NAMES = sorted(file.stem for file in PRESETS.glob("*.yaml"))
CONFIGURATIONS = PRESETS.parent / "accelerate"


def settings_of(name, *flags):
    return read_command_line(["--preset", name, *flags]).settings


def test_the_presets_are_those_that_are_promised():
    assert set(NAMES) == {
        "tiny",
        "tiny-text",
        "tiny-code",
        "tiny-shortcut",
        "smollm2-135m",
        "qwen2.5-vl-3b",
        "qwen2.5-vl-7b",
        "internvl3-8b",
        "qwen2.5-vl-3b-lora",
        "qwen3-vl-2b",
        "qwen3-vl-4b",
        "qwen3-vl-8b",
    }


@pytest.mark.parametrize("size", ["2b", "4b", "8b"])
def test_qwen3_vl_is_trained_as_qwen2_5_vl_is(size):
    theirs = asdict(settings_of(f"qwen3-vl-{size}"))
    assert theirs.pop("model") == f"Qwen/Qwen3-VL-{size.upper()}-Instruct"
    assert theirs.items() <= asdict(settings_of("qwen2.5-vl-3b")).items()


@pytest.mark.parametrize("name", NAMES)
def test_every_value_says_where_it_comes_from(name):
    lines = (PRESETS / f"{name}.yaml").read_text().splitlines()
    values = [line for line in lines if re.match(r" *\w+: *[^ #]", line)]
    assert len(values) >= 20
    assert [line for line in values if not re.search(r"# .{4}", line)] == []


@pytest.mark.parametrize("name", NAMES)
def test_only_the_small_presets_run_without_a_gpu(name):
    assert settings_of(name).needs_gpu == (not name.startswith(("tiny", "smollm2")))


def test_the_papers_settings():
    settings = settings_of("qwen2.5-vl-7b")
    assert settings.model == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert (settings.group_size, settings.prompts_per_step, settings.updates_per_sampling) == (10, 120, 4)
    assert (settings.learning_rate, settings.weight_decay, settings.max_grad_norm) == (1e-6, 0.01, 1.0)
    assert (settings.max_prompt_length, settings.max_response_length) == (20480, 4096)
    assert (settings.temperature, settings.format_weight, settings.instruct) == (1.0, 0.1, True)
    assert settings.recipe == {"slope": 0.5, "exploration_weight": 0.1, "clip_low": 0.2, "clip_high": 0.2}


def test_eight_processes_sample_480_prompts_and_update_four_times(monkeypatch, tmp_path):
    monkeypatch.setattr("full_scale.training.engine.processes", lambda: 8)
    settings = settings_of("qwen2.5-vl-7b", "--mixed-precision", "none")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    args = trainer_arguments(settings, tmp_path, needs_reference=False)
    rows = args.per_device_train_batch_size * 8
    assert rows * args.gradient_accumulation_steps == 120 * 10
    assert rows * args.steps_per_generation == 480 * 10


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ddp", DistributedType.MULTI_GPU),
        ("fsdp2", DistributedType.FSDP),
        ("deepspeed_zero2", DistributedType.DEEPSPEED),
        ("deepspeed_zero3", DistributedType.DEEPSPEED),
    ],
)
def test_accelerate_reads_its_configurations(name, kind):
    config = load_config_from_file(str(CONFIGURATIONS / f"{name}.yaml"))  # refuses unknown keys
    assert isinstance(config, ClusterConfig)
    assert config.distributed_type == kind
    assert config.num_processes == 8


def test_accelerate_launch_has_a_flag_for_every_key():
    known = {action.dest for action in launch_command_parser()._actions}
    sections = dict.fromkeys(("deepspeed_zero2", "deepspeed_zero3"), "deepspeed_config") | {"fsdp2": "fsdp_config"}
    for name, section in sections.items():
        values = yaml.safe_load((CONFIGURATIONS / f"{name}.yaml").read_text())[section]
        assert values
        assert set(values) <= known
    assert {file.stem for file in CONFIGURATIONS.glob("*.yaml")} == {"ddp", *sections}
