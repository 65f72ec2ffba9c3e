"""Which arms each command trains."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from toy.learning.methods import parse_method, with_options
from toy.learning.population import check_prompts
from toy.learning.settings import Training
from toy.learning.trainer import check_cells
from toy.studies.arms import Arm
from toy.studies.questions import (
    ABLATION_COMPANIONS,
    ABLATIONS,
    COARSE_SLOPES,
    EXECUTABLE,
    PARTS,
    REGIME_METHODS,
    REGIMES,
    SLOPES,
    SUPERVISED,
    WEIGHTS,
)
from toy.world import World


def plan(study: str, methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of a study, checked before anything is trained.

    Args:
        study: one of :data:`PLANS`.
        methods: as :func:`toy.learning.methods.parse_method` reads them; one that is named twice is trained once.
        world: the default part's world; other parts differ from it.
        training: the default part's training.
        seeds: number of seeds.

    Raises:
        ValueError: a method or one of its options is unknown, or cannot be trained on a grid that the study has; the
            prompts are no multiple of the families.
    """
    for name in methods:
        parse_method(name)
    arms = PLANS[study](list(dict.fromkeys(methods)), world, training, seeds)
    for arm in arms:
        method = parse_method(arm.method)
        check_prompts(arm.world, arm.training)
        if arm.cells:
            check_cells(method, arm.cells)
    return arms


def comparison(methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``compare``: all methods in the default world, the main ones in each regime, and a coarse grid.

    The grid of alpha and lambda has half of the seeds, because it is as many runs as all the rest.
    """
    arms = _arms("main", methods, world, training, seeds)
    for name in REGIMES:
        arms += _arms(name, REGIME_METHODS, world, training, seeds)
    return arms + _slope_and_weight("calibrl", COARSE_SLOPES, world, training, max(seeds // 2, 1))


def ablation(methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``ablate``: one change of the method at a time, beside its control, and alpha and lambda together."""
    (base,) = methods
    arms = []
    for name, (_, changes) in ABLATIONS.items():
        changed = [with_options(base, options) for options in changes]
        arms += _arms(name, [*ABLATION_COMPANIONS.get(name, ()), *changed], world, training, seeds)
    return arms + _slope_and_weight(base, SLOPES, world, training, seeds)


def phase(methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``phase``: maps over expert executability x lambda, x imitation, and over prior x group size.

    A method without an exploration term has no lambda, and stands in the first map as a single row; so does one without
    a supervised stage in the second.
    """
    weights, priors = (0.01, *WEIGHTS), (0.002, 0.005, 0.02, 0.08)
    arms = []
    for method, share in product(methods, EXECUTABLE):
        axes = {"exploration_weight": weights} if parse_method(method).explores else {}
        cells = _cells(executable=[share], **axes)
        arms.append(Arm("executable x weight", method, world, training, seeds, cells, {"executable": share}))
    for method in methods:
        for imitated in SUPERVISED if parse_method(method).schedule.imitates_first else (None,):
            changed = replace(training, supervised_share=imitated)
            place = {} if imitated is None else {"supervised_share": imitated}
            cells = _cells(executable=EXECUTABLE)
            arms.append(Arm("imitation x executable", method, world, changed, seeds, cells, place))
    for method, rollouts in product(methods, (4, 8, 16)):
        changed, place = replace(training, rollouts=rollouts), {"rollouts": rollouts}
        arms.append(Arm("rollouts x prior", method, world, changed, seeds, _cells(sound_prior=priors), place))
    return arms


def mechanism_study(methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """The arms of ``mechanism``: who is pushed where, and what that does to the entropy."""
    return _arms("main", methods, world, training, seeds)


def _arms(part: str, methods: Sequence[str], world: World, training: Training, seeds: int) -> list[Arm]:
    """One arm for each method, in the part's world."""
    changed = replace(world, **PARTS[part].world), replace(training, **PARTS[part].training)
    return [Arm(part, method, *changed, seeds) for method in methods]


def _slope_and_weight(method: str, slopes: Sequence[float], world: World, training: Training, seeds: int) -> list[Arm]:
    return [
        Arm("slope x weight", method, world, training, seeds, _cells(slope=[slope], exploration_weight=WEIGHTS), at)
        for slope in slopes
        for at in [{"slope": slope}]
    ]


def _cells(**axes: Sequence[float]) -> tuple[dict[str, float], ...]:
    """Every combination of the axes' values."""
    return tuple(dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


PLANS: dict[str, Callable[[Sequence[str], World, Training, int], list[Arm]]] = {
    "compare": comparison,
    "ablate": ablation,
    "phase": phase,
    "mechanism": mechanism_study,
}
"""Study -> (methods, world, training, seeds) -> its arms."""
