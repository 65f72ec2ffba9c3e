"""Worlds with a name are possible ones, and flags go before them."""

import dataclasses
from pathlib import Path

import pytest

from cli.flags import read_flags
from cli.folder import read_json
from toy.__main__ import parse
from toy.learning.settings import Training
from toy.studies.plans import plan
from toy.world import World
from toy.world.named import WORLDS

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", WORLDS)
def test_every_named_world_can_be_compared(name):
    options, _, _ = parse(["compare", "--world", name])
    world, training = read_flags(options, World), read_flags(options, Training)
    assert plan("compare", ["grpo"], world, training, 1)
    known = {field.name for kind in (World, Training) for field in dataclasses.fields(kind)}
    assert set(WORLDS[name]) <= known


def test_the_world_like_the_model_has_the_measured_numbers():
    found = read_json(ROOT / "results" / "vlm_shortcut" / "checkpoint.json")

    def right(way):
        kinds = found[way]["right_by_kind"]["triangle"]["value"], found[way]["right_on_minority"]["value"]
        return round(0.6 * kinds[0] + 0.4 * kinds[1], 2)

    assert {
        "sound_success": right("look"),
        "shortcut_success": right("guess triangle"),
        "unsound_success": right("skip"),
        "sound_prior": found["look"]["probability"],
        "shortcut_prior": found["guess triangle"]["probability"],
    }.items() <= WORLDS["vlm-like"].items()


def test_the_world_like_the_model_has_its_sizes():
    """One decision of five options, of which one looks and one guesses; as many families as prompts."""
    options, _, _ = parse(["compare", "--world", "vlm-like"])
    world, training = read_flags(options, World), read_flags(options, Training)
    assert (world.depth, world.branching, world.sound, world.shortcuts) == (1, 5, 1, 1)
    assert (world.demonstrations, world.executable, world.flawed_paths) == (1, 1.0, 0)
    assert (world.families, world.heterogeneity) == (8, 1.0)
    assert (training.steps, training.prompts, training.rollouts) == (100, 8, 8)


def test_flags_go_before_the_named_world():
    options, _, _ = parse(["compare", "--world", "vlm-like", "--sound-prior", "0.1"])
    world = read_flags(options, World)
    assert (world.sound_prior, world.shortcut_prior, world.paths) == (0.1, 0.7435, 5)
    assert read_flags(options, Training).steps == 100


def test_without_a_name_it_is_the_default_world():
    options, _, _ = parse(["compare"])
    assert read_flags(options, World) == World()


def test_an_unknown_world_is_refused():
    with pytest.raises(ValueError, match="vlm-like"):
        parse(["compare", "--world", "vlm"])
