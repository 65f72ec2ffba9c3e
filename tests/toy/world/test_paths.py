import numpy as np
import pytest

from toy.world import Kind, World, build_paths


def test_layout_has_the_settings_counts_prior_and_success():
    world = World(wrong=0.25, executable=0.5)
    paths = build_paths(world, range(5))
    for seed in range(5):
        kind = paths.kind[seed, 0]
        assert np.bincount(kind, minlength=4).tolist() == [8, 4, 6, 238]  # 16 shown: 4 wrong, 6 sound, 6 flawed
        kinds = kind[paths.demonstration[seed]].tolist()
        assert kinds == [Kind.SOUND] * 6 + [Kind.FLAWED] * 6 + [Kind.UNSOUND] * 4
        assert len(set(paths.demonstration[seed])) == 16
        assert paths.demonstration_correct[seed].tolist() == [True] * 12 + [False] * 4
        success = dict(zip(kind.tolist(), paths.success[seed, 0].tolist(), strict=True))
        assert success == {Kind.SOUND: 0.95, Kind.SHORTCUT: 0.6, Kind.FLAWED: 0.2, Kind.UNSOUND: 0.02}
        assert len(set(zip(kind.tolist(), paths.success[seed, 0].tolist(), strict=True))) == 4


def test_the_prior_gives_each_kind_its_mass_evenly_but_for_one_part_in_a_million():
    paths = build_paths(World(), range(3))
    for seed in range(3):
        kind, prior = paths.kind[seed, 0], paths.prior[seed]
        rng = np.random.default_rng([seed, 0])
        rng.permutation(256)  # the layout
        rng.random((1, 256))  # whether a shortcut works
        weight = 1.0 + 1e-6 * rng.random(256)
        for members, mass in ((kind == 0, 0.005), (kind == 1, 0.8), (kind >= 2, 0.195)):
            expected = [mass * each / sum(weight[members]) for each in weight[members]]
            assert prior[members] == pytest.approx(expected, rel=1e-12)
        assert len(np.unique(prior)) == 256  # no two paths are equally likely


def test_a_seed_has_the_same_layout_in_any_company():
    alone, together = build_paths(World(), [3]), build_paths(World(), [1, 3])
    for name in ("kind", "success", "prior", "demonstration", "demonstration_correct"):
        assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[1])
    assert not np.array_equal(together.kind[0], together.kind[1])


def test_the_random_numbers_are_those_of_the_seeds_first_stream():
    layout = np.random.default_rng([7, 0]).permutation(256)
    kind = build_paths(World(), [7]).kind[0, 0]
    assert set(layout[:8]) == set(np.flatnonzero(kind == Kind.SOUND))
    assert set(layout[8:12]) == set(np.flatnonzero(kind == Kind.SHORTCUT))
    assert set(layout[12:24]) == set(np.flatnonzero(kind == Kind.FLAWED))


def test_each_seed_may_have_its_own_world():
    paths = build_paths([World(), World(sound_success=0.5)], [3, 3])
    assert np.array_equal(paths.kind[0], paths.kind[1])
    assert [success[kind == Kind.SOUND].max() for kind, success in zip(paths.kind, paths.success, strict=True)] == [
        0.95,
        0.5,
    ]


@pytest.mark.parametrize(("heterogeneity", "values"), [(0.0, {0.6}), (0.5, {0.3, 0.8}), (1.0, {0.0, 1.0})])
def test_heterogeneity_makes_shortcuts_work_in_some_families_only(heterogeneity, values):
    paths = build_paths(World(families=16, heterogeneity=heterogeneity), range(20))
    shortcut = paths.success[paths.kind == Kind.SHORTCUT]
    assert set(np.unique(shortcut.round(12))) == values
    assert shortcut.mean() == pytest.approx(0.6, abs=0.03)
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


def test_the_own_paths_go_to_the_families_in_turn():
    paths = build_paths(World(families=3, sound=5, own_sound=0.8, demonstrations=6), [0])
    order = np.random.default_rng([0, 0]).permutation(256)[:5]  # the sound paths; the first is everybody's
    usable = [[family for family in range(3) if paths.kind[0, family, path] == Kind.SOUND] for path in order]
    assert usable == [[0, 1, 2], [0], [1], [2], [0]]


def test_a_demonstration_shows_the_least_shown_path_of_its_family():
    paths = build_paths(World(sound=3, demonstrations=8, executable=1.0), [0])
    order = np.random.default_rng([0, 0]).permutation(256)[:3]
    assert paths.demonstration[0].tolist() == [order[index % 3] for index in range(8)]
