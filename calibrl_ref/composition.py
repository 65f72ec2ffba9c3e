"""What a recipe is: a frozen dataclass of hyper-parameters that composes an objective.

A recipe's fields are its hyper-parameters, keyword-only; a subclass changes defaults or adds fields. ``recipe`` makes a
function of the class that takes the same keywords and gives the objective, so a type checker knows every keyword. The
classes here hold the hyper-parameters that recipes share, each documented once under ``Attributes``.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ParamSpec

from calibrl_ref._checks import did_you_mean
from calibrl_ref.advantages import AdvantageEstimator, GroupAdvantage
from calibrl_ref.aggregation import AGGREGATIONS, Aggregation
from calibrl_ref.objective import Objective
from calibrl_ref.recipe_reader import OneOf
from calibrl_ref.selection import PRUNE_SCOPES, PruneByAdvantage
from calibrl_ref.terms import ClippedSurrogate, EntropyBonus, Term

Keywords = ParamSpec("Keywords")


AggregationName = Annotated[str, OneOf(AGGREGATIONS)]
PruneScope = Annotated[str, OneOf(PRUNE_SCOPES)]


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Hyper-parameters of a whole method.

    Attributes:
        aggregation: how token losses become one number.
        max_length: the constant of the constant-length aggregations, in tokens; None takes the batch's padded length.
    """

    aggregation: AggregationName = "token_mean"
    max_length: int | None = None

    @abstractmethod
    def objective(self) -> Objective:
        """Return the objective that these hyper-parameters make."""

    def compose(self, *terms: Term) -> Objective:
        """Return an objective of these terms with the recipe's aggregation; what subclasses build on."""
        aggregation = Aggregation(mode=self.aggregation, max_length=self.max_length)
        return Objective(terms=terms, aggregation=aggregation, advantage=self.advantage())

    def advantage(self) -> AdvantageEstimator:
        """Return the estimator of advantages."""
        return GroupAdvantage()


@dataclass(frozen=True, kw_only=True)
class GroupRelative(Recipe):
    """A recipe with a group advantage.

    Attributes:
        scale_by_std: divide the advantage by the group's standard deviation.
        std_epsilon: added to the standard deviation; 1e-6 as verl, TRL has 1e-4.
    """

    scale_by_std: bool = True
    std_epsilon: float = 1e-6

    def advantage(self) -> GroupAdvantage:
        """Return the estimator of advantages."""
        return GroupAdvantage(scale_by_std=self.scale_by_std, std_epsilon=self.std_epsilon)


@dataclass(frozen=True, kw_only=True)
class Clipped(GroupRelative):
    """A recipe with a clipped surrogate.

    Attributes:
        clip_low: how far below 1 the ratio may fall; None does not clip.
        clip_high: how far above 1 the ratio may rise; None does not clip.
    """

    clip_low: float | None = 0.2
    clip_high: float | None = 0.2


@dataclass(frozen=True, kw_only=True)
class DualClipped(Clipped):
    """A recipe with a clipped surrogate whose loss may be capped.

    Attributes:
        dual_clip: cap on the loss of negative advantages, in units of the advantage; None sets none.
        mismatch_cap: cap on the weights that correct for a sampling engine that disagrees with the trainer
            (``Rollouts.sampler_token_log_prob``); None corrects nothing.
    """

    dual_clip: float | None = None
    mismatch_cap: float | None = None

    def surrogate(self, *, ratio_level: str = "token") -> ClippedSurrogate:
        """Return the surrogate with the recipe's clips."""
        return ClippedSurrogate(
            clip_low=self.clip_low,
            clip_high=self.clip_high,
            dual_clip=self.dual_clip,
            ratio_level=ratio_level,
            mismatch_cap=self.mismatch_cap,
        )


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a recipe that updates on a part of each group, as CPPO does, adds to its base.

    No subclass of ``Recipe``: the defaults inherited from there would win over those of the base beside it.

    Attributes:
        keep_fraction: share of the responses that is kept, those with the largest |A|, in (0, 1].
        prune_within: "group", or "batch" for one ranking of all responses.
    """

    keep_fraction: float = 0.5
    prune_within: PruneScope = "group"

    def prune(self, objective: Objective) -> Objective:
        """Return the objective with the pruning before it."""
        pruning = PruneByAdvantage(keep_fraction=self.keep_fraction, scope=self.prune_within)
        return replace(objective, selection=pruning)


def bonus_over_all(weight: float) -> tuple[EntropyBonus, ...]:
    """The entropy bonus of LUFFY's family of trainers: a mean over all tokens, the experts' too; 0: none."""
    bonus = EntropyBonus(weight=weight, on_experts=True, aggregation=Aggregation(mode="token_mean"))
    return (bonus,) if weight else ()


def recipe(name: str, hyper_parameters: Callable[Keywords, Recipe]) -> Callable[Keywords, Objective]:
    """Make a function of a recipe's class: the class's keywords in, the objective out.

    Args:
        name: the function's name, which is the recipe's in ``RECIPES``.
        hyper_parameters: the class.

    Returns:
        The function; its signature and its docstring are the class's (``__wrapped__``).

    Example:
        >>> from calibrl_ref.recipes import CalibRL
        >>> @dataclass(frozen=True, kw_only=True)
        ... class HumbleCalibRL(CalibRL):
        ...     slope: float = 0.3
        >>> humble = recipe("humble", HumbleCalibRL)
        >>> humble(exploration_weight=0.2).exploration.slope
        0.3
    """
    known = tuple(inspect.signature(hyper_parameters).parameters)

    @functools.wraps(hyper_parameters, updated=())
    def build(*args: Keywords.args, **kwargs: Keywords.kwargs) -> Objective:
        """Compose the objective."""
        for given, value in kwargs.items():
            if given not in known:
                fix = did_you_mean(given, known, otherwise="use one of these")
                raise TypeError(f"{given}={value!r}: expected a hyper-parameter of {name}, one of {known}. Fix: {fix}.")
        return hyper_parameters(*args, **kwargs).objective()

    build.__name__ = build.__qualname__ = name
    return build
