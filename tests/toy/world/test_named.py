"""Worlds with a name are possible ones, and flags go before them."""

import dataclasses

import pytest

from cli.flags import read_flags
from toy.__main__ import parse
from toy.learning.settings import Training
from toy.studies.plans import plan
from toy.world import World
from toy.world.named import WORLDS


@pytest.mark.parametrize("name", WORLDS)
def test_every_named_world_can_be_compared(name):
    options, _, _ = parse(["compare", "--world", name])
    world, training = read_flags(options, World), read_flags(options, Training)
    assert plan("compare", ["grpo"], world, training, 1)
    known = {field.name for kind in (World, Training) for field in dataclasses.fields(kind)}
    assert set(WORLDS[name]) <= known


def test_flags_go_before_the_named_world():
    options, _, _ = parse(["compare", "--world", "vlm-like", "--sound-prior", "0.1"])
    world = read_flags(options, World)
    assert (world.sound_prior, world.shortcut_prior, world.paths) == (0.1, 0.75, 5)
    assert read_flags(options, Training).steps == 100


def test_without_a_name_it_is_the_default_world():
    options, _, _ = parse(["compare"])
    assert read_flags(options, World) == World()


def test_an_unknown_world_is_refused():
    with pytest.raises(ValueError, match="vlm-like"):
        parse(["compare", "--world", "vlm"])
