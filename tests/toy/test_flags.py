"""The world's and the training's settings as flags."""

from dataclasses import fields

import pytest

from cli.flags import Parser, add_flags, read_flags
from toy.learning.settings import Training
from toy.world import World


def parse(settings, arguments, **defaults):
    parser = Parser(prog="program")
    add_flags(parser, settings, defaults=defaults)
    parser.set_defaults(**defaults)
    return parser, parser.parse_args(arguments)


@pytest.mark.parametrize("settings", [World, Training])
def test_every_setting_is_a_flag_with_its_type_default_and_help(settings, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    parser, options = parse(settings, [])
    assert read_flags(options, settings) == settings()
    text = parser.format_help().partition(f"the {settings.__name__.lower()}'s settings:")[2]
    assert "%%" not in text
    for field, entry in zip(fields(settings), text.split("\n  --")[1:], strict=True):
        words = entry.split()
        assert words[0] == field.name.replace("_", "-")
        assert words[1] == {int: "INT", float: "FLOAT", float | None: "FLOAT"}.get(field.type, "NAME")
        assert words[-2:] == (["or", "none"] if field.default is None else ["(default:", f"{field.default})"])
        assert len(words) > 5


def test_the_help_names_the_choices_and_quotes_the_docstring(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    parser, _ = parse(Training, [])
    text = " ".join(parser.format_help().split())
    assert '--policy NAME "tabular" or "neural"; one of tabular, neural (default: tabular)' in text
    assert "gradient steps on each batch; from the second on the batch is off-policy and clipping matters" in text


def test_values_have_the_type_of_the_field_and_a_default_may_differ():
    _, options = parse(World, ["--depth", "3", "--executable", "1"], sound=5)
    assert read_flags(options, World) == World(depth=3, executable=1.0, sound=5)
    _, options = parse(Training, ["--optimizer", "adam"])
    assert read_flags(options, Training).optimizer == "adam"


def test_the_dataclass_checks_the_values():
    _, options = parse(World, ["--depth", "12"])
    with pytest.raises(ValueError, match="branching"):
        read_flags(options, World)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--depth", "two"], "--depth: expected a whole number, got 'two'. Fix: see program --help."),
        (["--dept", "2"], r"--dept: expected a flag of program. Fix: did you mean --depth\?"),
        (["--depth"], "--depth: expected one argument. Fix"),
    ],
)
def test_an_error_is_an_exception_with_its_fix_and_flags_are_not_shortened(arguments, message):
    with pytest.raises(ValueError, match=message):
        parse(World, arguments)


def test_a_misspelt_choice_is_asked_about():
    with pytest.raises(
        ValueError, match=r"--policy: expected one of tabular, neural, got 'tabulr'. Fix: did you mean 'tabular'"
    ):
        parse(Training, ["--policy", "tabulr"])
