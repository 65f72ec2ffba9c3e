"""Settings: what they mean to the methods, and what is refused."""

import dataclasses

import pytest

from calibrl_ref import SCHEDULES
from full_scale.model.head import CHUNK
from full_scale.model.shipped import TINY_MODEL
from full_scale.run.command_line import read_command_line
from full_scale.run.methods import hyper_parameters, method_names
from full_scale.run.settings import OPTIONS


def settings_of(*flags):
    return read_command_line(flags).settings


@pytest.mark.parametrize("method", method_names())
def test_every_method_makes_its_stages(method):
    assert len(settings_of("--method", method).schedule().stages) == len(SCHEDULES.get(method, [method]))


def test_no_setting_has_the_name_of_a_hyper_parameter():
    assert not set(OPTIONS) & {name for method in method_names() for name in hyper_parameters(method)}


def test_the_head_chunk_is_the_trainers_unless_it_is_given():
    assert settings_of().head_chunk == CHUNK
    with pytest.raises(ValueError, match=r"head_chunk=0: expected at least 1\. Fix: --head-chunk 1"):
        settings_of("--head-chunk", "0")


def test_hyper_parameters_reach_the_objective():
    settings = settings_of("--slope", "0.25")
    assert settings.hyper_parameters()["exploration_weight"] == 0.1
    assert settings.hyper_parameters()["slope"] == 0.25
    ((objective, share),) = settings.schedule().stages
    assert share == 1.0
    assert objective.exploration.slope == 0.25


def test_a_schedule_gives_each_stage_the_hyper_parameters_that_it_knows():
    sft, grpo = (
        objective for objective, _ in settings_of("--method", "sft_grpo", "--clip-low", "0.1").schedule().stages
    )
    assert sft.aggregation.mode == "token_mean"
    assert next(iter(grpo.terms)).clip_low == 0.1


def test_a_constant_length_is_the_longest_response_unless_it_was_given():
    ((objective, _),) = settings_of("--method", "dr_grpo", "--max-response-length", "31").schedule().stages
    assert objective.aggregation.max_length == 31
    ((objective, _),) = settings_of("--method", "dr_grpo", "--max-length", "7").schedule().stages
    assert objective.aggregation.max_length == 7


def test_an_optional_number_is_read_as_one_though_its_default_is_none():
    flags = ["--method", "dapo:overlong_buffer=2,max_length=4"]
    ((objective, _),) = settings_of(*flags).schedule().stages
    assert (objective.overlong_penalty.max_length, objective.overlong_penalty.buffer) == (4, 2)
    assert settings_of("--method", "dapo", "--overlong-buffer", "none").recipe == {"overlong_buffer": None}


def test_a_shipped_model_is_found_by_its_name():
    assert settings_of().model_folder == str(TINY_MODEL)
    assert settings_of("--model", "a/b").model_folder == "a/b"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--group-size 1", r"^group_size=1: expected at least 2. Fix: --group-size 2\.$"),
        ("--steps 0", r"^steps=0: expected at least 1. Fix: --steps 1\.$"),
        ("--learning-rate nan", "learning_rate=nan: expected at least 0"),
        ("--learning-rate inf", "learning_rate=inf: expected at least 0"),
        ("--temperature 0", r"temperature=0.0: expected at least 1e-06. Fix: --temperature 1e-06"),
        ("--vllm server", "vllm='server': expected an address. Fix: give --vllm-url"),
        ("--group-size 6", r"micro_batch_rows=128: expected a divisor of .* = 96. Fix: --micro-batch-rows 96\."),
        ("--micro-batch-rows 48", r"= 128. Fix: --micro-batch-rows 32\."),
        ("--prompts-per-step 1 --group-size 7 --micro-batch-rows 3", r"= 7. Fix: --micro-batch-rows 1\."),
    ],
)
def test_bad_values_are_named_with_the_fix(flags, message):
    with pytest.raises(ValueError, match=message):
        settings_of(*flags.split())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "learning_rate",
            "1e-6",
            r"learning_rate='1e-6': expected a number. Fix: YAML reads 1e-6 as text: write 1.0e-6",
        ),
        ("steps", 2.5, "steps=2.5: expected a whole number. Fix: write one"),
        ("steps", "1e3", "steps='1e3': expected a whole number. Fix: write one"),
        ("steps", True, "steps=True: expected a whole number"),
        ("instruct", 1, "instruct=1: expected true or false"),
        ("model", None, "model=None: expected text"),
        ("dtype", "float16", r"dtype='float16': expected one of float32, bfloat16, auto. Fix: did you mean 'bfloat16'"),
        ("vllm", "maybe", "vllm='maybe': expected one of none, colocate, server. Fix: choose one of these"),
        ("method", "calbrl", r"method='calbrl': .*Fix: did you mean 'calibrl'\?"),
        ("recipe", {"slpe": 0.3}, r"hyper-parameter of calibrl='slpe': .*Fix: did you mean 'slope'\?"),
    ],
)
def test_a_value_of_the_wrong_type_or_name_is_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(settings_of(), **{name: value})


def test_none_and_whole_numbers_are_values_where_the_type_says_so():
    assert dataclasses.replace(settings_of(), limit=None, learning_rate=1).learning_rate == 1
    assert dataclasses.replace(settings_of(), limit=300).limit == 300


def test_fewer_problems_than_an_update_takes_are_refused_with_what_to_set():
    small = dataclasses.replace(settings_of(), prompts_per_step=16, group_size=8, micro_batch_rows=128, limit=None)
    small.check_enough(16, "own")
    with pytest.raises(
        ValueError, match=r"^own: 15 problems, but .* = 16 .*--prompts-per-step 15 --micro-batch-rows 120\.$"
    ):
        small.check_enough(15, "own")
    assert dataclasses.replace(small, prompts_per_step=15, micro_batch_rows=120, limit=15).limit == 15
    with pytest.raises(ValueError, match=r"^limit: 15 problems"):
        dataclasses.replace(small, limit=15)
    twice = dataclasses.replace(small, updates_per_sampling=2)
    twice.check_enough(32, "own")
    with pytest.raises(ValueError, match=r"= 32 are drawn.*--prompts-per-step 15 "):
        twice.check_enough(31, "own")
    with pytest.raises(ValueError, match=r"--prompts-per-step 1 --micro-batch-rows 8"):
        twice.check_enough(1, "own")
    assert dataclasses.replace(settings_of(), lora_rank=0, group_size=16).group_size == 16
