"""Presets and flags: what wins, where each value comes from, and what a mistake is answered."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from full_scale.run.command_line import DEFAULT_OUT, OTHER_NAMES, describe, read_command_line, read_preset
from full_scale.run.methods import hyper_parameters
from full_scale.run.settings import OPTIONS

ROOT = Path(__file__).parents[3]


def read(*arguments):
    return read_command_line(arguments)


def test_a_flag_wins_over_the_preset_and_the_preset_over_the_default():
    run = read("--learning-rate", "0.5", "--slope", "0.25", "--no-instruct")
    assert (run.settings.learning_rate, run.origin["learning_rate"]) == (0.5, "command line")
    assert (run.settings.temperature, run.origin["temperature"]) == (1.0, "preset tiny")
    assert run.settings.lora_rank == 0
    assert "lora_rank" not in run.origin
    assert run.settings.recipe == {"slope": 0.25}
    assert "out" not in run.origin


def test_what_the_command_shall_do():
    run = read()
    assert (run.output.out, run.output.resume, run.output.overwrite) == (DEFAULT_OUT, False, False)
    assert (run.checkpoint, run.print_config) == (None, False)
    run = read("--out", "a/b", "--resume", "--checkpoint", "checkpoint-4", "--print-config")
    assert (run.output.out, run.output.resume, run.output.overwrite) == (Path("a/b"), True, False)
    assert (run.checkpoint, run.print_config) == ("checkpoint-4", True)
    assert read("--overwrite").output.overwrite


def test_hyper_parameters_may_be_written_behind_the_methods_name():
    run = read("--method", "calibrl:slope=0.3,gap=token_aligned,weighted=false", "--slope", "0.4")
    assert run.settings.method == "calibrl"
    assert run.settings.recipe == {"slope": 0.4, "gap": "token_aligned", "weighted": False}
    assert (run.origin["gap"], run.origin["method"]) == ("command line", "command line")
    assert read("--method", "calibrl:weighted=true").settings.recipe == {"weighted": True}


def test_print_config_shows_every_value_and_its_origin():
    lines = {line.split()[0]: line for line in describe(read("--slope", "0.3")).splitlines()}
    assert {*OPTIONS, *hyper_parameters("calibrl")} <= set(lines)
    assert lines["slope"].split()[1:] == ["0.3", "command", "line"]
    assert lines["learning_rate"].endswith("preset tiny")
    assert lines["exploration_weight"].endswith("default")
    assert lines["lora_rank"].endswith("default")
    assert "hyper-parameters" in lines


def test_a_preset_of_ones_own(tmp_path):
    file = tmp_path / "mine.yaml"
    values = read_preset("tiny") | {"steps": 7, "recipe": {"slope": 0.2}}
    file.write_text(yaml.safe_dump(values))
    run = read("--preset", str(file))
    assert (run.settings.steps, run.settings.recipe) == (7, {"slope": 0.2})
    assert run.origin["slope"] == f"preset {file}"
    assert read("--preset", str(file), "--method", "calibrl").settings.recipe == {"slope": 0.2}
    assert read("--preset", str(file), "--method", "grpo").settings.recipe == {}
    (tmp_path / "other.yml").write_text(yaml.safe_dump(values))
    assert read("--preset", str(tmp_path / "other.yml")).settings.steps == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "expected readable YAML. Fix: correct it"),
        ("just words", "expected a mapping of settings to values"),
        ("recipe: 3", "expected a mapping of settings to values"),
        ("method: calibrl\nstepz: 3", r"it has the unknown key 'stepz'. Fix: did you mean 'steps'\?"),
        ("method: calibrl\nqqq: 3", r"it has the unknown key 'qqq'. Fix: choose among model, dtype"),
        ("method: calibrl\nsteps: 3", r"lacks model, dtype, .*Fix: add them to it, or give them as flags"),
        ("steps: 3", r"bad.yaml lacks model, .* method, .*Fix: add them to it"),
        ("method: calbrl", r"did you mean 'calibrl'\?"),
    ],
)
def test_an_unreadable_preset_is_refused(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read("--preset", str(tmp_path / "bad.yaml"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--preset tny", r"preset='tny': expected .*Fix: did you mean 'tiny'\?"),
        ("--preset nope", r"preset='nope': expected internvl3-8b, .*tiny.*Fix: choose one of these"),
        ("--preset nope.yaml", "preset='nope.yaml': expected"),
        ("--method nope", "method='nope': expected one of grpo, dr_grpo.*sft_grpo"),
        ("--method calibrl:slope", r"method=calibrl:slope: expected name:key=value,key=value. Fix: give slope a value"),
        ("--method calibrl:slpe=0.3", r"--slpe: expected a flag of train.py. Fix: did you mean --slope\?"),
        ("--method grpo --slope 0.5", "--slope: grpo has no such hyper-parameter. Fix: choose a --method of calibrl,"),
        ("--gap token", r"--gap: expected one of trajectory, .*, got 'token'. Fix: did you mean 'token_aligned'\?"),
        ("--dtype float16", r"--dtype: expected one of float32, .*, got .float16.\. Fix: did you mean .bfloat16."),
        ("--steps many", "--steps: expected a whole number, got 'many'"),
        ("--learning-rate", "--learning-rate: expected one argument"),
        ("--resume --overwrite", "expected one of them"),
        ("--checkpoint 4", "--checkpoint 4: expected with --resume. Fix: add --resume"),
    ],
)
def test_mistakes_are_one_line_with_the_fix(flags, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(*flags.split())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_trainers_names_are_understood(name):
    wanted = OTHER_NAMES[name]
    assert wanted in {item.replace("_", "-") for item in (*OPTIONS, *hyper_parameters("calibrl"))} | {
        "checkpoint",
        "out",
        "overwrite",
        "preset",
        "resume",
    }
    with pytest.raises(ValueError, match=rf"^--{name}: expected a flag of train.py. Fix: did you mean --{wanted}\?$"):
        read(f"--{name}", "3")


def test_help_explains_every_flag_with_its_type(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = " ".join(capsys.readouterr().out.split())
    for name in (*OPTIONS, *hyper_parameters("calibrl"), "out", "resume", "overwrite", "checkpoint", "preset"):
        assert f"--{name.replace('_', '-')} " in text.replace(",", " ")
    assert all(option.metadata["help"] for option in OPTIONS.values())
    assert "--steps INT updates (default: 90)" in text
    assert "--dtype NAME of the weights; auto: bfloat16 where" in text
    assert "--slope FLOAT" in text
    assert re.search(r"one of trajectory, trajectory_mean, .*\(default: trajectory\)", text)


def test_help_of_another_preset_and_method_shows_theirs(capsys):
    with pytest.raises(SystemExit):
        read("--help", "--preset", "qwen2.5-vl-7b", "--method", "grpo")
    text = capsys.readouterr().out
    assert "hyper-parameters of grpo" in text
    assert "--slope" not in text
    assert "(default: Qwen/Qwen2.5-VL-7B-Instruct)" in " ".join(text.split())


@pytest.mark.parametrize("script", ["train", "evaluate", "pretrain", "make_experts"])
def test_help_is_answered_without_importing_torch(script):
    code = (
        f"import sys, full_scale.{script} as script\n"
        "try:\n    script.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers', 'trl', 'datasets'} & set(sys.modules), sorted(sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert "--out" in shown
