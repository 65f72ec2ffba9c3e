from dataclasses import replace
from itertools import product

import pytest

from toy.learning.settings import Training
from toy.studies.plans import PLANS, plan
from toy.studies.questions import ABLATIONS, PARTS, STUDIES
from toy.world import World

WORLD, TRAINING = World(depth=5), Training(steps=7)


def arms(study, methods=None, seeds=6, world=WORLD, training=TRAINING):
    return plan(study, methods or STUDIES[study].methods, world, training, seeds)


def of(found, part):
    return [arm for arm in found if arm.part == part]


def places(found):
    """Every cell of a map with its method: where it stands, on all axes."""
    return [(arm.method, {**arm.place, **cell}) for arm in found for cell in arm.cells]


@pytest.mark.parametrize("study", STUDIES)
def test_arms_have_files_of_their_own_and_the_settings_of_their_part(study):
    found = arms(study)
    assert len({arm.file_name for arm in found}) == len(found)
    for arm in found:
        part = PARTS[arm.part]
        assert arm.world == replace(WORLD, **part.world)
        training = replace(arm.training, rollouts=8) if arm.part == "rollouts x prior" else arm.training
        training = replace(training, supervised_share=None) if arm.part == "imitation x executable" else training
        assert training == replace(TRAINING, **part.training)


def test_compare_trains_its_methods_regimes_and_a_coarse_grid_with_half_of_the_seeds():
    found = arms("compare", ["grpo", "luffy", "grpo"])
    assert [arm.method for arm in of(found, "main")] == ["grpo", "luffy"]  # named twice, trained once
    for regime in ("deterministic", "executable", "unexecutable", "deep", "adam"):
        methods = [arm.method for arm in of(found, regime)]
        assert methods == ["grpo", "sft_grpo", "calibrl", "calibrl:exploration_weight=1"]
    grid = of(found, "slope x weight")
    slopes, weights = (0.0, 0.3, 0.5, 0.8, 1.0), (0.03, 0.1, 0.3, 1.0)
    expected = [("calibrl", {"slope": s, "exploration_weight": w}) for s, w in product(slopes, weights)]
    assert places(grid) == expected
    assert [arm.place for arm in grid] == [{"slope": slope} for slope in slopes]
    assert {arm.seeds for arm in grid} == {3}
    assert {arm.seeds for arm in found if arm.part != "slope x weight"} == {6}
    assert len(found) == 2 + 5 * 4 + 5


@pytest.mark.parametrize(("seeds", "half"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_the_coarse_grid_has_at_least_one_seed(seeds, half):
    assert {arm.seeds for arm in of(arms("compare", seeds=seeds), "slope x weight")} == {half}


def test_ablate_changes_one_piece_of_the_method_it_is_given_at_a_time():
    found = arms("ablate", ["calibrl:exploration_weight=0.3"])
    base = "calibrl:exploration_weight=0.3"
    for name, (_, changes) in ABLATIONS.items():
        methods = [arm.method for arm in of(found, name)]
        beside = {"slope": ["grpo"], "families": ["grpo", "sft_grpo"]}.get(name, [])
        assert methods == [*beside, *(f"{base},{change}" if change else base for change in changes)]
    grid = of(found, "slope x weight")
    assert [arm.place["slope"] for arm in grid] == [0.0, 0.1, 0.3, 0.5, 0.8, 1.0]
    assert {(arm.method, arm.seeds) for arm in grid} == {(base, 6)}
    with pytest.raises(ValueError, match="unpack"):
        arms("ablate", ["calibrl", "grpo"])


def test_phase_maps_executability_and_weight_and_group_size_and_prior():
    found = arms("phase", ["grpo", "calibrl"])
    shares, weights = (0.0, 0.125, 0.25, 0.5, 1.0), (0.01, 0.03, 0.1, 0.3, 1.0)
    rows = [("grpo", {"executable": share}) for share in shares]
    rows += [("calibrl", {"executable": s, "exploration_weight": w}) for s, w in product(shares, weights)]
    assert places(of(found, "executable x weight")) == rows
    second = of(found, "rollouts x prior")
    assert [(arm.method, arm.training.rollouts) for arm in second] == [
        (method, rollouts) for method in ("grpo", "calibrl") for rollouts in (4, 8, 16)
    ]
    assert all(arm.place == {"rollouts": arm.training.rollouts} for arm in second)
    assert {tuple(cell["sound_prior"] for cell in arm.cells) for arm in second} == {(0.002, 0.005, 0.02, 0.08)}


def test_phase_maps_imitation_and_executability_for_methods_that_imitate_first():
    found = of(arms("phase", ["grpo", "sft_grpo"]), "imitation x executable")
    executable = tuple({"executable": share} for share in (0.0, 0.125, 0.25, 0.5, 1.0))
    assert all(arm.cells == executable for arm in found)
    supervised = [0.15, 1 / 3, 0.6, 0.8]
    assert [(arm.method, arm.training.supervised_share) for arm in found] == [
        ("grpo", None),
        *(("sft_grpo", share) for share in supervised),
    ]
    assert [arm.place for arm in found] == [{}, *({"supervised_share": share} for share in supervised)]


def test_mechanism_trains_its_methods_in_the_default_world():
    found = arms("mechanism", ["calibrl", "grpo"])
    assert [(arm.part, arm.method, arm.cells, arm.place) for arm in found] == [
        ("main", "calibrl", (), {}),
        ("main", "grpo", (), {}),
    ]


@pytest.mark.parametrize(
    ("study", "methods", "settings", "message"),
    [
        ("mechanism", ["grop"], {}, "'grop'"),
        ("mechanism", ["calibrl:slope=2"], {}, "slope"),
        ("mechanism", ["grpo"], {"world": World(families=3)}, "prompts=16: expected a multiple of families=3"),
        ("ablate", ["calibrl"], {"training": Training(prompts=6)}, "prompts=6: expected a multiple of families=4"),
        ("phase", ["cppo"], {}, "it drops rows"),
        ("ablate", ["grpo"], {}, "'?slope"),
    ],
)
def test_what_cannot_be_trained_is_refused_beforehand(study, methods, settings, message):
    with pytest.raises(ValueError, match=message):
        arms(study, methods, **settings)


def test_every_study_has_a_plan():
    assert set(PLANS) == set(STUDIES)
