import argparse
from dataclasses import dataclass, fields
from typing import Literal

import pytest

from toy.learning.settings import Training
from toy.options import Parser, add_settings, did_you_mean, flag_of, read_settings
from toy.world import World


def parse(settings, arguments, **defaults):
    parser = Parser(prog="program")
    add_settings(parser, settings, **defaults)
    return parser, parser.parse_args(arguments)


@pytest.mark.parametrize("settings", [World, Training])
def test_every_setting_is_a_flag_with_its_type_default_and_help(settings, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    parser, options = parse(settings, [])
    assert read_settings(options, settings) == settings()
    text = parser.format_help().partition(f"the {settings.__name__.lower()}'s settings:")[2]
    assert "%%" not in text
    for field, entry in zip(fields(settings), text.split("\n  --")[1:], strict=True):
        words = entry.split()
        assert words[0] == field.name.replace("_", "-")
        assert words[1] == {int: "INT", float: "FLOAT"}.get(field.type) or words[1].startswith("{")
        assert words[-2:] == ["(default:", f"{field.default})"]
        assert len(words) > 5


def test_the_help_names_the_choices_and_quotes_the_docstring(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    parser, _ = parse(Training, [])
    text = " ".join(parser.format_help().split())
    assert '--policy {tabular,neural} "tabular" or "neural" (default: tabular)' in text
    assert "gradient steps on each batch; from the second on the batch is off-policy and clipping matters" in text


def test_values_have_the_type_of_the_field_and_a_default_may_differ():
    _, options = parse(World, ["--depth", "3", "--executable", "1"], sound=5)
    assert read_settings(options, World) == World(depth=3, executable=1.0, sound=5)
    _, options = parse(Training, ["--optimizer", "adam"])
    assert read_settings(options, Training).optimizer == "adam"


def test_the_dataclass_checks_the_values():
    _, options = parse(World, ["--depth", "12"])
    with pytest.raises(ValueError, match="branching"):
        read_settings(options, World)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "two"], "argument --depth: invalid int value: 'two'. Fix: `program --help` shows what it takes."),
        (["--dept", "2"], "unrecognized arguments: --dept 2. Fix"),
        (["--depth"], "argument --depth: expected one argument. Fix"),
    ],
)
def test_an_error_is_an_exception_with_its_fix_and_flags_are_not_shortened(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(World, arguments)


def test_a_misspelt_choice_is_asked_about():
    with pytest.raises(
        ValueError, match=r"--policy: 'tabulr': expected one of \['tabular', 'neural'\]. Did you mean tab"
    ):
        parse(Training, ["--policy", "tabulr"])


def test_flags_that_are_left_over_are_refused_with_a_guess():
    parser, _ = parse(World, [])
    parser.check_flags([])
    with pytest.raises(ValueError, match=r"--dept=3: unknown to `program`\. Did you mean --depth\? Fix: "):
        parser.check_flags(["--dept=3"])
    with pytest.raises(ValueError, match=r"--slop: unknown to `program`\. Did you mean --slope\?"):
        parser.check_flags(["--slop"], more=["--slope"])
    with pytest.raises(ValueError, match=r"xyzzy: unknown to `program`\. Fix: "):
        parser.check_flags(["xyzzy"])


def test_names_that_look_alike():
    assert did_you_mean("seds", ["out", "seeds"]) == " Did you mean seeds?"
    assert did_you_mean("xyzzy", ["out", "seeds"]) == ""
    assert flag_of("own_sound_paths") == "--own-sound-paths"


@dataclass
class Named:
    """Odd.

    Attributes:
        name: several.
    """

    name: tuple[str, ...] = ()


@dataclass
class Missing:
    """Odd.

    Attributes:
        name: no default.
    """

    name: int


@dataclass
class Chosen:
    """Odd.

    Attributes:
        name: no default.
    """

    name: Literal["a", "b"]


@pytest.mark.parametrize("settings", [Named, Missing, Chosen])
def test_a_field_that_cannot_be_a_flag_is_refused(settings):
    with pytest.raises(TypeError, match=r"field name: expected a default and the type int, float or Literal. Fix"):
        add_settings(argparse.ArgumentParser(), settings)
