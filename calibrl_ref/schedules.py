"""Methods that train with several recipes one after another."""

import bisect
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from calibrl_ref._checks import bad_value, check_count, check_range, look_up
from calibrl_ref.objective import Objective
from calibrl_ref.recipe_reader import HyperParameter, Value, hyper_parameters_of
from calibrl_ref.recipes import RECIPES

SCHEDULES: dict[str, tuple[tuple[str, float], ...]] = {
    f"sft_{name}": (("sft", 1 / 3), (name, 2 / 3)) for name in ("grpo", "calibrl")
}
"""Name -> the recipes to train with one after another, and each one's share of the steps.

A supervised warm-up on the expert's responses, then GRPO (the usual pipeline) or CalibRL; the shares are ours, and the
hyper-parameter ``warm_up_share`` changes them.
"""


@dataclass(frozen=True)
class Schedule:
    """The objectives of a run, one after another.

    Attributes:
        stages: each objective, and its share of the steps; the shares add up to 1.
        plateau: ends the first stage before its share is over, by the validation loss; None: no rule but the share.

    Raises:
        ValueError: no stage, a share that is not positive, or shares that do not add up to 1; a plateau without a
            second stage.

    Example:
        >>> warm_up = Schedule(((RECIPES["sft"](), 0.25), (RECIPES["grpo"](), 0.75)))
        >>> [term.name for term in warm_up.objective_at(0.25).terms]
        ['surrogate']
    """

    stages: tuple[tuple[Objective, float], ...]
    plateau: "Plateau | None" = None

    def __post_init__(self) -> None:
        shares = [share for _, share in self.stages]
        if not shares or min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0):
            raise ValueError(f"stages have the shares {shares}: expected positive shares that add up to 1. Fix: do so.")
        if self.plateau is not None and len(shares) == 1:
            raise bad_value("plateau", self.plateau, "None for a single stage", "give it a stage to switch to")

    @classmethod
    def named(cls, name: str, **options: object) -> "Schedule":
        """Build a schedule, or a recipe as a schedule of one stage.

        Args:
            name: a key of ``SCHEDULES`` or ``RECIPES``.
            options: hyper-parameters; each stage takes those that it has.

        Raises:
            ValueError: the name, or a hyper-parameter, is unknown.

        Example:
            >>> [share for _, share in Schedule.named("grpo", clip_high=0.3).stages]
            [1.0]
        """
        known = {item.name: item for item in hyper_parameters(name)}
        for option in options:
            look_up(known, f"hyper-parameter of {name}", option, closed=True)
        stages = tuple((_objective(recipe, options), share) for recipe, share in _stages(name))
        given: dict[str, Any] = {item.name: options[item.name] for item in _SWITCHING if item.name in options}
        rule = Switching(**given)
        return cls(stages, plateau=rule.plateau()).with_warm_up(rule.warm_up_share)

    def with_warm_up(self, share: float | None) -> "Schedule":
        """Return the schedule with another share of the steps for its supervised stage.

        Args:
            share: inside (0, 1); the other stages fill the rest, in the same proportions. None: its own share.

        Returns:
            The new schedule; this one where it does not begin with a supervised stage, or has no other.

        Raises:
            ValueError: the share is not inside (0, 1).

        Example:
            >>> [round(share, 2) for _, share in Schedule.named("sft_grpo").with_warm_up(0.6).stages]
            [0.6, 0.4]
        """
        if share is not None and not 0.0 < share < 1.0:
            raise bad_value("warm_up_share", share, "a share inside (0, 1)", "leave it out for the schedule's own")
        if share is None or not self.imitates_first:
            return self
        (first, own), *others = self.stages
        rest = ((stage, part * (1.0 - share) / (1.0 - own)) for stage, part in others)
        return replace(self, stages=((first, share), *rest))

    @property
    def uses_expert(self) -> bool:
        """Whether any stage reads expert rows."""
        return any(objective.uses_expert for objective, _ in self.stages)

    @property
    def imitates_first(self) -> bool:
        """Whether it has a supervised stage before the others."""
        return len(self.stages) > 1 and self.stages[0][0].is_supervised

    def objective_at(self, progress: float, *, left_at: float | None = None) -> Objective:
        """Return the objective at a point of the training.

        Args:
            progress: from 0 (start) to 1 (end).
            left_at: where the plateau ended the first stage; the others then fill the rest, in the same proportions.

        Example:
            >>> warm_up = Schedule(((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5)), plateau=Plateau())
            >>> [term.name for term in warm_up.objective_at(0.2, left_at=0.1).terms]
            ['surrogate']
        """
        first = self.stages[0][1]
        if left_at is not None:
            progress = first + (progress - left_at) * (1.0 - first) / (1.0 - left_at)
        return self.stages[min(self._passed(progress), len(self.stages) - 1)][0]

    def asks_at(self, progress: float, *, left_at: float | None) -> bool:
        """Whether the plateau is to be told the validation loss: only before the first stage is over."""
        return self.plateau is not None and left_at is None and self._passed(progress) == 0

    def _passed(self, progress: float) -> int:
        """How many stages are over, by their shares alone."""
        ends = [*itertools.accumulate(share for _, share in self.stages)]
        return bisect.bisect(ends, progress + 1e-9)  # 1e-9: 0.1 + 0.2 is 0.3, not more


def hyper_parameters(method: str) -> tuple[HyperParameter, ...]:
    """Return the hyper-parameters of a method: of a recipe, or of each recipe of a schedule.

    Args:
        method: a key of ``RECIPES`` or ``SCHEDULES``.

    Returns:
        One of each name; where two recipes share one, the later's.

    Raises:
        ValueError: there is no such method.

    Example:
        >>> [item.name for item in hyper_parameters("calibrl") if item.kind is bool]
        ['scale_by_std', 'detach_expert', 'weighted']
    """
    found = [item for recipe, _ in _stages(method) for item in hyper_parameters_of(RECIPES[recipe])]
    return tuple({item.name: item for item in (*found, *(_SWITCHING if method in SCHEDULES else ()))}.values())


def read_method(text: str) -> tuple[str, dict[str, Value]]:
    """Read a method as it is written on a command line: ``name``, or ``name:keyword=value,keyword=value``.

    Args:
        text: the name of a recipe or a schedule, and values of its hyper-parameters.

    Returns:
        The name, and the values that are given.

    Raises:
        ValueError: no such method, no such hyper-parameter, or a value that does not fit its kind.

    Example:
        >>> read_method("calibrl:slope=0.3,gap=token_aligned")
        ('calibrl', {'slope': 0.3, 'gap': 'token_aligned'})
    """
    name, _, given = text.partition(":")
    known = {item.name: item for item in hyper_parameters(name)}
    values: dict[str, Value] = {}
    for item in filter(None, given.split(",")):
        keyword, equals, value = item.partition("=")
        if not equals or not value:
            raise bad_value("method", text, "name:keyword=value,keyword=value", f"give {keyword} a value")
        values[keyword] = look_up(known, f"hyper-parameter of {name}", keyword, closed=True).read(value)
    return name, values


def _stages(method: str) -> tuple[tuple[str, float], ...]:
    """Return a method's recipes and shares; a recipe alone is one stage."""
    return look_up({recipe: ((recipe, 1.0),) for recipe in RECIPES} | SCHEDULES, "method", method)


def _objective(recipe: str, options: Mapping[str, object]) -> Objective:
    """Build a stage from those of the options that its recipe has."""
    known = {item.name for item in hyper_parameters_of(RECIPES[recipe])}
    return RECIPES[recipe](**{name: value for name, value in options.items() if name in known})


def chord_mu(step: int, *, warmup: int = 0, decay: int = 200, peak: float = 0.9, valley: float = 0.05) -> float:
    """Return CHORD's weight of the imitation at a step: a linear warm-up to ``peak``, then a cosine down to ``valley``.

    Args:
        step: counted from 0.
        warmup: steps of the rise.
        decay: steps of the fall; 0: the valley at once.
        peak: the greatest weight.
        valley: the last weight.

    Returns:
        mu, for ``RECIPES["chord"](mu=...)``. Defaults are those of CHORD-mu.

    Raises:
        ValueError: a negative step, or a weight outside of [0, 1].

    Reference:
        arXiv:2508.11408; trinity-rft 0.6.0, chord_policy_loss.py, mu_schedule_function; ms-swift 4.6.0, the same.

    Example:
        >>> [round(chord_mu(step), 3) for step in (0, 100, 200)]
        [0.9, 0.475, 0.05]
    """
    for name, number in (("step", step), ("warmup", warmup), ("decay", decay)):
        check_range(name, float(number), 0.0)
    check_range("peak", peak, 0.0, 1.0)
    check_range("valley", valley, 0.0, 1.0)
    if step < warmup:
        return peak * step / warmup
    if step >= warmup + decay:
        return valley
    return valley + (peak - valley) * (1.0 + math.cos(math.pi * (step - warmup) / decay)) / 2.0


@dataclass(frozen=True, kw_only=True)
class Plateau:
    """When a supervised stage is over: its validation loss has not fallen for some evaluations.

    The state of a stage: ``state = state.step(validation_loss)`` after every evaluation, until ``state.reached``. It is
    the rule beside the fixed share of ``SCHEDULES``; see ``Schedule.plateau``.

    Attributes:
        patience: evaluations without a fall after which it is reached.
        least_fall: by how much the loss must fall below its lowest to count, in the loss's unit.
        lowest: the lowest loss so far.
        waited: evaluations since.

    Example:
        >>> state = Plateau(patience=2)
        >>> for loss in (1.0, 0.8, 0.9, 0.8):
        ...     state = state.step(loss)
        >>> state.reached
        True
    """

    patience: int = 3
    least_fall: float = 0.0
    lowest: float = math.inf
    waited: int = 0

    def __post_init__(self) -> None:
        check_count("patience", self.patience)
        check_range("least_fall", self.least_fall, 0.0)

    @property
    def reached(self) -> bool:
        """Whether the next stage should begin."""
        return self.waited >= self.patience

    def step(self, validation_loss: float) -> "Plateau":
        """Return the state after an evaluation.

        Raises:
            ValueError: the loss is not a number.
        """
        if math.isnan(validation_loss):
            raise bad_value("validation_loss", validation_loss, "a number", "look for what makes the loss NaN")
        if validation_loss < self.lowest - self.least_fall:
            return replace(self, lowest=validation_loss, waited=0)
        return replace(self, waited=self.waited + 1)


@dataclass(frozen=True, kw_only=True)
class Switching:
    """When a schedule's supervised stage ends: hyper-parameters of every schedule.

    Attributes:
        warm_up_share: share of the steps for the supervised stage, inside (0, 1); None: the schedule's own.
        plateau_patience: the first stage ends after so many evaluations whose validation loss has not fallen, at the
            latest after its share of the steps; None: after its share.
        plateau_fall: by how much that loss must fall to count, in nats per token.
    """

    warm_up_share: float | None = None
    plateau_patience: int | None = None
    plateau_fall: float = 0.0

    def plateau(self) -> Plateau | None:
        """Return the rule; None without a patience."""
        if self.plateau_patience is None:
            return None
        return Plateau(patience=self.plateau_patience, least_fall=self.plateau_fall)


_SWITCHING = hyper_parameters_of(Switching)
