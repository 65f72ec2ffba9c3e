import argparse
from dataclasses import dataclass, fields

import pytest

from toy.learning.settings import Training
from toy.options import add_settings, read_settings
from toy.world import World


def parse(settings, arguments, **defaults):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_settings(parser, settings, **defaults)
    return parser, parser.parse_args(arguments)


@pytest.mark.parametrize("settings", [World, Training])
def test_every_setting_is_a_flag_with_its_default_and_help(settings):
    parser, options = parse(settings, [])
    assert read_settings(options, settings) == settings()
    text = parser.format_help()
    for field in fields(settings):
        assert f"--{field.name.replace('_', '-')} " in text
    assert "%%" not in text


def test_values_have_the_type_of_the_field_and_a_default_may_differ():
    _, options = parse(World, ["--depth", "3", "--executable", "1"], sound=5)
    assert read_settings(options, World) == World(depth=3, executable=1.0, sound=5)


def test_the_dataclass_checks_the_values():
    _, options = parse(World, ["--depth", "12"])
    with pytest.raises(ValueError, match="branching"):
        read_settings(options, World)
    with pytest.raises(argparse.ArgumentError, match="--depth: invalid int value: 'two'"):
        parse(World, ["--depth", "two"])


def test_a_field_that_cannot_be_a_flag_is_refused():
    @dataclass
    class Odd:
        """Odd.

        Attributes:
            names: several.
        """

        names: tuple[str, ...] = ()

    with pytest.raises(TypeError, match="field names"):
        parse(Odd, [])
