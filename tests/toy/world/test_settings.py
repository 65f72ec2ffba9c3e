"""What a world may be: each limit from both sides."""

import pytest

from toy.world import MAX_PATHS, SHAPE_FIELDS, World


def test_the_default_world():
    world = World()
    assert (world.depth, world.branching, world.sound, world.shortcuts) == (4, 4, 8, 4)
    assert (world.sound_success, world.shortcut_success) == (0.95, 0.6)
    assert (world.flawed_success, world.unsound_success) == (0.2, 0.02)
    assert (world.sound_prior, world.shortcut_prior) == (0.005, 0.8)
    assert (world.demonstrations, world.executable, world.wrong, world.reward_noise) == (16, 0.25, 0.0, 0.0)
    assert (world.families, world.heterogeneity, world.own_sound) == (1, 0.0, 0.0)
    assert (world.paths, MAX_PATHS) == (256, 16_384)
    assert SHAPE_FIELDS == ("depth", "branching", "families", "demonstrations")


def test_a_world_is_a_value():
    assert hash(World(depth=5)) == hash(World(depth=5))


def test_derived_counts():
    world = World(demonstrations=20, wrong=0.2, executable=0.25, own_sound=0.25, families=2)
    assert world.wrong_demonstrations == 4
    assert world.executable_demonstrations == 4
    assert world.flawed_paths == 12
    assert world.own_sound_paths == 2


TIGHT = {"depth": 1, "sound": 1, "shortcuts": 1, "demonstrations": 1, "executable": 1.0}
"""Three paths are needed: a sound one, a shortcut, an unsound one."""


@pytest.mark.parametrize(
    "settings",
    [
        {"branching": 2, "depth": 14, "sound_prior": 0.01},
        {"branching": MAX_PATHS, "depth": 1},
        {"branching": 3} | TIGHT,
        {"branching": 4, "executable": 0.0} | {name: TIGHT[name] for name in TIGHT if name != "executable"},
        {"branching": 5, "depth": 1, "sound": 1, "shortcuts": 1, "demonstrations": 2, "executable": 0.0, "wrong": 0.5},
        {"shortcuts": 0, "shortcut_prior": 0.0},
        {"sound_prior": 0.1999},
        {"shortcut_prior": 0.3},
        {"reward_noise": 1.0, "sound_success": 0.0},
        {"families": 8, "own_sound": 1.0},
        {"families": 8, "own_sound": 0.875, "demonstrations": 16},
        {"families": 3, "own_sound": 0.0},
        {"families": 9, "own_sound": 0.5, "demonstrations": 18},
    ],
)
def test_a_world_at_its_limits_is_valid(settings):
    assert World(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sound": 0}, "^sound=0: .* at least 1. Nearest valid setting: sound=1.$"),
        ({"shortcuts": -1}, "^shortcuts=-1: .* at least 0. Nearest valid setting: shortcuts=0.$"),
        ({"families": 0}, "^families=0: .* at least 1. "),
        ({"branching": 1}, "^branching=1: .* at least 2. "),
        ({"depth": 8}, rf"^branching \*\* depth=65536: .* at most {MAX_PATHS} paths to enumerate. .* depth=7.$"),
        ({"branching": 20_000, "depth": 1}, f"20000: .* setting: branching={MAX_PATHS}, depth=1.$"),
        ({"depth": 1}, r"^branching \*\* depth=4: .* at least 25 paths .*: depth=3, or fewer paths of a kind.$"),
        ({"branching": 2} | TIGHT, "=2: .* at least 3 paths"),
        ({"branching": 3, "executable": 0.0} | {k: v for k, v in TIGHT.items() if k != "executable"}, "at least 4"),
        ({"sound_prior": 0.0}, r"^sound_prior=0.0: .* inside \(0, 1\). .* sound_prior=0.005.$"),
        ({"sound_prior": 1.0}, r"^sound_prior=1.0: .* inside \(0, 1\)"),
        ({"sound_prior": 0.2}, r"^sound_prior \+ shortcut_prior=1.0: .* below 1. .* shortcut_prior=0.79.$"),
        ({"sound_prior": 0.3}, r"^sound_prior \+ shortcut_prior=1.1: .* shortcut_prior=0.69.$"),
        ({"sound_prior": 0.99}, r"^sound_prior \+ shortcut_prior=1.79: .* setting: sound_prior=0.005.$"),
        ({"shortcuts": 0}, "^shortcut_prior=0.8: .* above 0 exactly when there are shortcuts. .* 0.8 or 0.$"),
        ({"shortcut_prior": 0.0}, "^shortcut_prior=0.0: .* above 0 exactly when there are shortcuts"),
        ({"reward_noise": 1.5}, r"^reward_noise=1.5: .* within \[0, 1\]. .* reward_noise=1.0.$"),
        ({"heterogeneity": -0.5}, r"^heterogeneity=-0.5: .* heterogeneity=0.0.$"),
        ({"families": 9, "own_sound": 1.0}, "^sound=8: .* at least 9, or one of the 9 families .* sound=9.$"),
        (
            {"families": 3, "own_sound": 0.5},
            "^demonstrations=16: .* a multiple of families=3 where own_sound is above 0. .* demonstrations=18.$",
        ),
        ({"shortcut_success": float("nan")}, "^shortcut_success=nan: "),
    ],
)
def test_impossible_worlds_are_refused_with_the_nearest_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        World(**settings)


@pytest.mark.parametrize(
    "settings", [{"depth": "4"}, {"depth": 4.0}, {"depth": True}, {"wrong": "0"}, {"wrong": False}]
)
def test_a_number_of_the_wrong_type_is_refused(settings):
    ((name, value),) = settings.items()
    with pytest.raises(TypeError, match=f"^{name}={value!r}: expected .* Fix: pass a number of that type."):
        World(**settings)


def test_a_whole_number_is_a_valid_share():
    assert World(executable=1).executable_demonstrations == 16
