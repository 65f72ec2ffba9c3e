from toy.learning.methods import parse_method, with_options
from toy.studies.questions import (
    ABLATION_COMPANIONS,
    ABLATIONS,
    COARSE_SLOPES,
    DEFAULT_METHODS,
    EXECUTABLE,
    MAP_METHODS,
    MECHANISM_METHODS,
    PARTS,
    REGIME_METHODS,
    REGIMES,
    SLOPES,
    STUDIES,
    SUPERVISED,
    WEIGHTS,
)
from toy.world import World


def test_the_commands_and_what_they_train():
    methods = {name: study.methods for name, study in STUDIES.items()}
    assert methods == {
        "compare": DEFAULT_METHODS,
        "ablate": ("calibrl",),
        "phase": MAP_METHODS,
        "mechanism": MECHANISM_METHODS,
    }
    assert [name for name, study in STUDIES.items() if not study.several] == ["ablate"]
    assert len(DEFAULT_METHODS) == 13


def test_every_method_that_is_named_is_one():
    ablated = [with_options("calibrl", change) for _, changes in ABLATIONS.values() for change in changes]
    companions = [name for names in ABLATION_COMPANIONS.values() for name in names]
    for name in (*DEFAULT_METHODS, *REGIME_METHODS, *MAP_METHODS, *MECHANISM_METHODS, *ablated, *companions):
        assert parse_method(name).name == name


def test_every_part_of_a_study_has_a_title_and_a_question_of_its_own():
    assert {*REGIMES, *ABLATIONS} < set(PARTS)
    assert set(PARTS) - {*REGIMES, *ABLATIONS} == {
        "main",
        "slope x weight",
        "executable x weight",
        "imitation x executable",
        "rollouts x prior",
        "push",
        "entropy change",
    }
    assert len({part.title for part in PARTS.values()}) == len(PARTS)
    assert all(part.why.endswith((".", "?")) for part in PARTS.values())


def test_regimes_are_what_their_titles_say():
    assert set(REGIMES) == {"deterministic", "executable", "unexecutable", "deep", "adam"}
    assert World(**REGIMES["executable"].world).flawed_paths == 0
    assert World(**REGIMES["unexecutable"].world).executable_demonstrations == 0
    deterministic = World(**REGIMES["deterministic"].world)
    outcomes = [deterministic.sound_success, deterministic.shortcut_success]
    outcomes += [deterministic.flawed_success, deterministic.unsound_success]
    assert outcomes == [1.0, 0.0, 0.0, 0.0]
    assert REGIMES["adam"].training == {"optimizer": "adam", "learning_rate": 0.05}
    assert [name for name, part in REGIMES.items() if part.training] == ["deep", "adam"]
    assert World(**REGIMES["deep"].world).executable_demonstrations == 0
    assert REGIMES["deep"].training == {"supervised_share": 0.6}


def test_grids_have_the_papers_values_and_their_ends():
    assert SLOPES == (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
    assert set(COARSE_SLOPES) < set(SLOPES)
    assert (COARSE_SLOPES[0], COARSE_SLOPES[-1]) == (0.0, 1.0)
    assert WEIGHTS == (0.03, 0.1, 0.3, 1.0)
    assert ABLATIONS["slope"][1] == ("slope=0", "slope=0.1", "slope=0.3", "slope=0.5", "slope=0.8", "slope=1")
    weights = [float(change.removeprefix("exploration_weight=")) for change in ABLATIONS["weight"][1]]
    assert weights == [0.0, 0.01, *WEIGHTS]
    assert COARSE_SLOPES == (0.0, 0.3, 0.5, 0.8, 1.0)
    assert EXECUTABLE == (0.0, 0.125, 0.25, 0.5, 1.0)
    assert SUPERVISED == (0.15, 1 / 3, 0.6, 0.8)


def test_values_of_one_number_are_drawn_in_a_ramp():
    assert [name for name, part in PARTS.items() if part.ordered] == ["slope", "weight"]


def test_families_are_asked_in_a_world_where_they_differ():
    part = PARTS["families"]
    assert (World(**part.world).families, World(**part.world).own_sound) == (4, 1.0)
    assert part.training == {"policy": "neural"}
