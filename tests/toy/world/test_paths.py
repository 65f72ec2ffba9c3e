import numpy as np
import pytest

from toy.world import MAX_PATHS, Kind, Tree, World, build_paths


def test_edges_lead_from_the_root_to_each_leaf():
    tree = Tree(depth=3, branching=2)
    assert tree.nodes == 7
    # path 5 is right, left, right: nodes 0 -> 2 -> 5 -> leaf 7 + 5
    assert tree.edges[5].tolist() == [1, 4, 11]
    assert tree.options[5].tolist() == [1, 0, 1]


def test_layout_has_the_settings_counts_prior_and_success():
    world = World(wrong=0.25, executable=0.5)
    paths = build_paths(world, range(5))
    for seed in range(5):
        counts = np.bincount(paths.kind[seed, 0], minlength=4).tolist()
        assert counts == [8, 4, 6, 238]  # 16 demonstrations: 4 wrong, 6 sound, 6 flawed
        kinds = paths.kind[seed, 0][paths.demonstration[seed]].tolist()
        assert kinds == [Kind.SOUND] * 6 + [Kind.FLAWED] * 6 + [Kind.UNSOUND] * 4
        assert paths.demonstration_correct[seed].tolist() == [True] * 12 + [False] * 4
        assert paths.prior[seed].sum() == pytest.approx(1.0)
        assert paths.prior[seed][paths.kind[seed, 0] == Kind.SHORTCUT].sum() == pytest.approx(0.8)
        assert set(paths.success[seed, 0][paths.kind[seed, 0] == Kind.FLAWED]) == {0.2}


def test_a_seed_has_the_same_layout_in_any_company():
    alone, together = build_paths(World(), [3]), build_paths(World(), [1, 3])
    assert np.array_equal(alone.kind[0], together.kind[1])
    assert not np.array_equal(together.kind[0], together.kind[1])


def test_heterogeneity_makes_shortcuts_work_in_some_families_only():
    paths = build_paths(World(families=16, heterogeneity=1.0), range(20))
    shortcut = paths.success[paths.kind == Kind.SHORTCUT]
    assert set(np.unique(shortcut)) == {0.0, 1.0}
    assert shortcut.mean() == pytest.approx(0.6, abs=0.06)
    assert set(np.unique(paths.success[paths.kind == Kind.SOUND])) == {0.95}


def test_own_sound_paths_are_sound_in_one_family_and_shown_to_it():
    world = World(families=4, own_sound=0.5, demonstrations=24, executable=0.5)
    paths = build_paths(world, range(3))
    families_of_path = (paths.kind == Kind.SOUND).sum(1)
    assert [np.bincount(row, minlength=5).tolist() for row in families_of_path] == [[248, 4, 0, 0, 4]] * 3
    for kind, success, shown in zip(paths.kind, paths.success, paths.demonstration, strict=True):
        family = np.arange(24) % 4
        assert set(kind[family, shown][:12]) == {Kind.SOUND}
        assert set(success[family, shown][12:]) == {0.2}
        assert set(success[(family + 1) % 4, shown][:12]) == {0.95, 0.2}  # shared ones, and foreign ones
        assert len(np.unique(shown[:12])) == 8
    prior = build_paths(World(demonstrations=24, executable=0.5), range(3)).prior
    assert paths.prior == pytest.approx(prior, rel=1e-5)  # the same mass, whoever can use a path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sound": 0}, "sound=0.*at least 1.*sound=1"),
        ({"depth": 8}, f"65536.*at most {MAX_PATHS}.*depth=7"),
        ({"depth": 1}, "4: .*at least 25 paths.*depth=3"),
        ({"sound_prior": 0.3}, r"sound_prior \+ shortcut_prior.*below 1.*shortcut_prior=0.69"),
        ({"shortcuts": 0}, "above 0 exactly when there are shortcuts"),
        ({"reward_noise": 1.5}, r"reward_noise=1.5.*within \[0, 1\].*reward_noise=1.0"),
        ({"families": 9, "own_sound": 1.0}, "sound=8.*at least 9.*9 families has no sound path.*sound=9"),
        ({"families": 3, "own_sound": 0.5}, "demonstrations=16.*a multiple of families=3.*demonstrations=18"),
        ({"branching": 1}, "branching=1.*at least 2"),
        ({"shortcut_success": float("nan")}, "shortcut_success=nan"),
    ],
)
def test_impossible_worlds_are_refused_with_the_nearest_setting(settings, message):
    with pytest.raises(ValueError, match=message):
        World(**settings)


def test_a_nearest_setting_is_valid():
    World(depth=7, sound_prior=0.3, shortcut_prior=0.69)


def test_a_number_of_the_wrong_type_is_refused():
    with pytest.raises(TypeError, match="depth='4'"):
        World(depth="4")
