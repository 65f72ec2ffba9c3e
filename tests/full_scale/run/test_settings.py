"""Settings, presets and flags: what wins, what is refused, and what the messages say."""

import dataclasses

import pytest
import yaml

from calibrl_ref import RECIPES, SCHEDULES, hyper_parameters
from full_scale.run.command_line import describe, read_command_line, read_preset
from full_scale.run.settings import METHODS, OPTIONS, Settings


def read(*arguments):
    return read_command_line(arguments)


def names_of(method):
    return [item.name for item in hyper_parameters(method)]


def test_every_recipe_and_schedule_of_the_core_is_a_method():
    assert set(METHODS) == {*RECIPES, *SCHEDULES}
    for method in METHODS:
        stages = read("--method", method).settings.schedule().stages
        assert len(stages) == len(SCHEDULES.get(method, [method]))


def test_no_setting_has_the_name_of_a_hyper_parameter():
    assert not set(OPTIONS) & {name for method in METHODS for name in names_of(method)}


def test_a_flag_wins_over_the_preset_and_the_preset_over_the_default():
    run = read("--learning-rate", "0.5", "--slope", "0.25", "--no-instruct")
    assert (run.settings.learning_rate, run.origin["learning_rate"]) == (0.5, "command line")
    assert (run.settings.temperature, run.origin["temperature"]) == (1.0, "preset tiny")
    assert run.settings.lora_rank == 0
    assert "lora_rank" not in run.origin
    assert run.settings.recipe == {"slope": 0.25}
    assert run.settings.hyper_parameters()["exploration_weight"] == 0.1
    ((objective, share),) = run.settings.schedule().stages
    assert share == 1.0
    assert objective.exploration.slope == 0.25


def test_hyper_parameters_may_be_written_behind_the_method_s_name():
    run = read("--method", "calibrl:slope=0.3,gap=token_aligned", "--slope", "0.4")
    assert (run.settings.method, run.settings.recipe) == ("calibrl", {"slope": 0.4, "gap": "token_aligned"})
    assert run.origin["gap"] == "command line"


def test_an_optional_number_is_read_as_one_though_its_default_is_none():
    ((objective, _),) = read("--method", "dapo:overlong_buffer=2,max_length=4").settings.schedule().stages
    assert (objective.overlong_penalty.max_length, objective.overlong_penalty.buffer) == (4, 2)
    assert read("--method", "dapo", "--overlong-buffer", "none").settings.recipe == {"overlong_buffer": None}


def test_a_hyper_parameter_s_help_is_its_documentation(capsys):
    with pytest.raises(SystemExit):
        read("--method", "calibrl", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--slope float alpha, the gate's attenuation beyond the expert's level, in [0, 1] (default: 0.5)" in shown
    assert "--gap {trajectory,trajectory_mean,token_aligned} the level at which" in shown
    assert "--max-length int or none" in shown


def test_a_schedule_gives_each_stage_the_hyper_parameters_that_it_knows():
    sft, grpo = (
        objective for objective, _ in read("--method", "sft_grpo", "--clip-low", "0.1").settings.schedule().stages
    )
    assert sft.aggregation.mode == "token_mean"
    assert next(iter(grpo.terms)).clip_low == 0.1


def test_a_constant_length_is_the_longest_response():
    ((objective, _),) = read("--method", "dr_grpo", "--max-response-length", "31").settings.schedule().stages
    assert objective.aggregation.max_length == 31


def test_print_config_shows_every_value_and_its_origin():
    lines = {line.split()[0]: line for line in describe(read("--slope", "0.3")).splitlines()}
    assert {*OPTIONS, *names_of("calibrl")} <= set(lines)
    assert lines["slope"].split()[1:] == ["0.3", "command", "line"]
    assert lines["learning_rate"].endswith("preset tiny")
    assert lines["exploration_weight"].endswith("default")


def test_a_preset_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    values = read_preset("tiny") | {"steps": 7, "recipe": {"slope": 0.2}}
    file.write_text(yaml.safe_dump(values))
    run = read("--preset", str(file))
    assert (run.settings.steps, run.settings.recipe) == (7, {"slope": 0.2})
    assert read("--preset", str(file), "--method", "grpo").settings.recipe == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "cannot be read as YAML; correct it"),
        ("just words", "is not a mapping of settings to values"),
        ("recipe: 3", "is not a mapping of settings to values"),
        ("method: calibrl\nstepz: 3", "has unknown keys stepz; valid: model, dtype"),
        ("method: calibrl\nsteps: 3", "lacks model, dtype, .*add them to it, or give them as flags"),
        ("steps: 3", "bad.yaml lacks model, .* method, .* add them to it"),
    ],
)
def test_an_unreadable_preset_is_refused(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read("--preset", str(tmp_path / "bad.yaml"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--preset nope", "preset 'nope' is unknown; valid: .*tiny"),
        ("--preset nope.yaml", "preset 'nope.yaml' is unknown"),
        ("--method nope", "method='nope': expected one of .*'grpo'.*'sft_grpo'"),
        ("--method calibr", "did you mean 'calibrl'"),
        ("--method calibrl:slpe=1", "hyper-parameter of calibrl='slpe': .*did you mean 'slope'"),
        ("--group-size 1", "group_size is 1; it must be at least 2"),
        ("--steps 0", "steps is 0; it must be at least 1"),
        ("--learning-rate nan", "learning_rate is nan; it must be at least 0"),
        ("--dtype float16", "dtype 'float16' is unknown; valid: float32, bfloat16"),
        ("--vllm maybe", "vllm 'maybe' is unknown; valid: none, colocate, server"),
        ("--vllm server", "vllm is 'server' without an address; give --vllm-url"),
        ("--group-size 6", r"micro_batch_rows \(128\) does not divide prompts_per_step x group_size \(96\)"),
    ],
)
def test_bad_values_are_named_with_the_fix(flags, message):
    with pytest.raises(ValueError, match=message):
        read(*flags.split())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", "1e-6", "must be of type float; YAML reads 1e-6 as text: write 1.0e-6"),
        ("steps", 2.5, "steps is 2.5; it must be of type int"),
        ("steps", True, "steps is True; it must be of type int"),
        ("instruct", 1, "instruct is 1; it must be of type bool"),
        ("model", None, "model is None; it must be of type str"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(read().settings, **{name: value})


def test_a_flag_of_another_method_is_refused(capsys):
    with pytest.raises(SystemExit):
        read("--method", "grpo", "--slope", "0.5")
    assert "unrecognized arguments: --slope 0.5" in capsys.readouterr().err


def test_help_explains_every_flag(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = capsys.readouterr().out
    for name in (*OPTIONS, *names_of("calibrl")):
        assert f"--{name.replace('_', '-')} " in text.replace(",", " ")
    assert all(option.metadata["help"] for option in OPTIONS.values())
    assert dataclasses.fields(Settings)
