"""A whole objective: a few terms, one aggregation, and what the method does to rewards and rows before the update."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import bad_value, check_same_shape
from calibrl_ref.advantages import AdvantageEstimator
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.baselines import Scope
from calibrl_ref.controllers import EntropyController, SlopeController
from calibrl_ref.divisors import Divisors
from calibrl_ref.rollouts import Rollouts
from calibrl_ref.selection import OverlongPenalty, Selection
from calibrl_ref.terms import EntropyBonus, Exploration, Imitation, Term

SCOPES: tuple[Scope, ...] = ("row", "group", "batch")  # each holds the one before
_ROW_MEAN = Aggregation(mode="sequence_mean_token_sum")  # of a [rows, 1] loss: the mean over counted rows


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What an objective gives.

    Attributes:
        total: the loss to minimise, a scalar, differentiable.
        terms: each term's share, weight included, by name; they add up to ``total``.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Terms and an aggregation, callable on rollouts.

    Attributes:
        terms: what is minimised; at least one.
        aggregation: how token terms are reduced. Trajectory terms are reduced by the mean over counted rows.
        advantage: the group-advantage estimator: ``objective.advantage(reward, group, is_expert)``.
        selection: which rows take part; None: all.
        overlong_penalty: what a response's length does to its reward; None: nothing.
        slope_controller: moves the exploration term's slope with the measured entropy; None: the slope is constant.
        entropy_controller: moves the entropy bonus's weight with the measured entropy; None: the weight is constant.

    Raises:
        ValueError: no term.

    Example:
        >>> from calibrl_ref import RECIPES
        >>> [term.name for term in RECIPES["calibrl"](slope=0.5).terms]
        ['surrogate', 'exploration']
    """

    terms: tuple[Term, ...]
    aggregation: Aggregation
    advantage: AdvantageEstimator
    selection: Selection | None = None
    overlong_penalty: OverlongPenalty | None = None
    slope_controller: SlopeController | None = None
    entropy_controller: EntropyController | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise bad_value("terms", self.terms, "at least one term", "add one, as ClippedSurrogate()")

    @property
    def exploration(self) -> Exploration | None:
        """The exploration term, with its slope and its weight; None if the objective has none."""
        return next((term for term in self.terms if isinstance(term, Exploration)), None)

    @property
    def entropy_bonus(self) -> EntropyBonus | None:
        """The entropy bonus; None if the objective has none."""
        return next((term for term in self.terms if isinstance(term, EntropyBonus)), None)

    @property
    def is_supervised(self) -> bool:
        """Whether every term imitates the expert, so that nothing needs to be sampled."""
        return all(isinstance(term, Imitation) for term in self.terms)

    @property
    def uses_expert(self) -> bool:
        """Whether a term reads expert rows."""
        return self._needs("expert")

    @property
    def needs_token_entropy(self) -> bool:
        """Whether a term reads ``Rollouts.token_entropy``."""
        return self._needs("token_entropy")

    @property
    def needs_reference(self) -> bool:
        """Whether a term reads ``Rollouts.reference_token_log_prob``."""
        return self._needs("reference_token_log_prob")

    @property
    def ranks_batch(self) -> bool:
        """Whether the selection ranks all rows that ``keep`` is given, not those of each group; it says so itself."""
        return getattr(self.selection, "scope", "group") == "batch"

    @property
    def scope(self) -> Scope:
        """With which rows a row is compared, the widest of its terms': what a micro-batch must hold together."""
        return max((term.scope for term in self.terms), key=SCOPES.index)

    @property
    def moves_expert(self) -> bool:
        """Whether an expert's row receives a gradient, so that it needs a backward pass."""
        return any(term.moves_expert for term in self.terms)

    def __call__(self, rollouts: Rollouts, *, divisors: tuple[Tensor, ...] | None = None) -> Losses:
        """Return the loss of a batch, or a micro-batch's share of it.

        Args:
            rollouts: the batch; a micro-batch holds together what ``scope`` says.
            divisors: ``self.divisors(whole_batch)`` for a micro-batch, so that the shares add up to the batch's loss;
                None takes the divisors of ``rollouts`` themselves.

        Returns:
            The total and each term's share. A term that counts no row gives exactly 0.

        Raises:
            ValueError: a term reads a field that the rollouts lack; ``divisors`` given for rollouts with replicas; the
                micro-batch lacks rows that its rows are compared with (not seen if ``divisors`` is a bare tuple).
        """
        if divisors is not None and rollouts.replica is not None:
            raise bad_value("divisors", "given", "None for rollouts with replicas", "reduce each replica on its own")
        if isinstance(divisors, Divisors):
            divisors.check_part(rollouts, self.scope, experts_only=self.uses_expert)
        shares: dict[str, Tensor] = {}
        counts = [_counted(term, rollouts) for term in self.terms]
        divisors = self._divisors(rollouts, counts) if divisors is None else divisors
        for term, counted, divisor in zip(self.terms, counts, divisors, strict=True):
            row_loss = _row_loss(term, rollouts).where(counted > 0, 0.0)
            share = self._aggregation(term)(row_loss, counted, divisor)
            shares[term.name] = shares[term.name] + share if term.name in shares else share
        return Losses(total=torch.stack(list(shares.values())).sum(), terms=shares)

    def divisors(self, rollouts: Rollouts) -> Divisors:
        """Return what each term's loss is divided by: a scalar each, or one value per row if there are replicas.

        They depend on masks and rows alone, so a batch's divisors are known before its first micro-batch is scored. For
        a batch that several processes share, see ``Divisors.over_processes``.
        """
        return Divisors(
            self._divisors(rollouts, [_counted(term, rollouts) for term in self.terms]),
            counts=tuple(self._aggregation(term).counts for term in self.terms),
            group=rollouts.group,
            is_expert=rollouts.is_expert,
        )

    def keep(
        self,
        reward: Float[Tensor, " rows"],
        advantage: Float[Tensor, " rows"],
        group: Int[Tensor, " rows"],
        is_expert: Bool[Tensor, " rows"],
        correct: Bool[Tensor, " rows"] | None = None,
    ) -> Bool[Tensor, " rows"]:
        """Return which rows take part in the update: all, unless the objective has a ``selection``.

        Without ``correct`` a selection that looks at it takes the reward for the verdict, and refuses any but 0 and 1.
        The rows are one batch: a selection that ranks a batch is to be asked once for each replica.
        """
        check_same_shape(reward=reward, advantage=advantage, group=group, is_expert=is_expert)
        if self.selection is None:
            return torch.ones_like(is_expert)
        return self.selection(reward, advantage, group, is_expert, correct)

    def shape_reward(self, reward: Float[Tensor, " rows"], length: Int[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Return the reward with the overlong penalty added, if the objective has one; ``length`` is in tokens."""
        check_same_shape(reward=reward, length=length)
        return reward if self.overlong_penalty is None else reward + self.overlong_penalty(length).to(reward.dtype)

    def adapt(self, entropy: float | Tensor) -> "Objective":
        """Return the objective of the next step, given the policy's entropy in nats per token.

        The same objective, unless it has a controller; a tensor of entropies gives each row its own slope and weight.
        """
        objective = self
        if self.slope_controller is not None and self.exploration is not None:
            objective = objective.with_exploration(slope=self.slope_controller(self.exploration.slope, entropy))
        if self.entropy_controller is not None and self.entropy_bonus is not None:
            controller, weight = self.entropy_controller.after(self.entropy_bonus.weight, entropy)
            objective = replace(objective, entropy_controller=controller)._with_entropy_weight(weight)
        return objective

    @property
    def adapted(self) -> dict[str, float | Tensor]:
        """What ``adapt`` moves, by name, for logs and checkpoints; empty for an objective that it leaves as it is."""
        values: dict[str, float | Tensor] = {}
        if self.slope_controller is not None and self.exploration is not None:
            values["slope"] = self.exploration.slope
        if self.entropy_controller is not None and self.entropy_bonus is not None:
            values |= {"entropy_weight": self.entropy_bonus.weight, **self.entropy_controller.memory}
        return values

    def with_adapted(self, values: Mapping[str, float | Tensor]) -> "Objective":
        """Return the objective with what another one of the same recipe had come to: ``adapted`` of that one.

        Example:
            >>> from calibrl_ref import RECIPES
            >>> start = RECIPES["calibrl_adaptive"](slope=0.5, target_entropy=1.0)
            >>> moved = start.adapt(0.4)
            >>> start.with_adapted(moved.adapted) == moved
            True
        """
        if values.keys() != self.adapted.keys():
            raise bad_value("adapted", sorted(values), f"the names {sorted(self.adapted)}", "take the same recipe's")
        objective = self
        if "slope" in values:
            objective = objective.with_exploration(slope=values["slope"])
        if self.entropy_controller is not None:
            objective = objective._with_entropy_weight(values["entropy_weight"])
            objective = replace(objective, entropy_controller=self.entropy_controller.remembering(values))
        return objective

    def with_exploration(
        self, *, slope: float | Tensor | None = None, weight: float | Tensor | None = None
    ) -> "Objective":
        """Return the objective with another slope or weight of its exploration term; None leaves it as it is.

        Args:
            slope: alpha, in [0, 1]: a number, or a tensor [rows] that gives each row its own.
            weight: lambda, at least 0: likewise.

        Example:
            >>> from calibrl_ref import RECIPES
            >>> RECIPES["calibrl"](slope=0.5).with_exploration(slope=0.3).exploration.slope
            0.3
        """

        def changed(term: Term) -> Term:
            """Return the exploration term with the new values, any other as it is."""
            if not isinstance(term, Exploration):
                return term
            new_slope = term.slope if slope is None else slope
            return replace(term, slope=new_slope, weight=term.weight if weight is None else weight)

        return self._changed(changed)

    def _with_entropy_weight(self, weight: float | Tensor) -> "Objective":
        return self._changed(lambda term: replace(term, weight=weight) if isinstance(term, EntropyBonus) else term)

    def _changed(self, change: Callable[[Term], Term]) -> "Objective":
        return replace(self, terms=tuple(map(change, self.terms)))

    def _divisors(self, rollouts: Rollouts, counts: list[Tensor]) -> tuple[Tensor, ...]:
        """Return each term's divisor, given how many elements of each row it counts."""
        replica = None if rollouts.replica is None else rollouts.replica_segment
        return tuple(
            self._aggregation(term).divisor(counted, rollouts.mask.shape[1], replica)
            for term, counted in zip(self.terms, counts, strict=True)
        )

    def _needs(self, what: str) -> bool:
        return any(what in term.needs for term in self.terms)

    def _aggregation(self, term: Term) -> Aggregation:
        return _ROW_MEAN if term.unit == "trajectory" else term.aggregation or self.aggregation


def _counted(term: Term, rollouts: Rollouts) -> Tensor:
    """Return how many tokens of each row the term counts; a row that has any counts, where rows are counted."""
    tokens = term.tokens(rollouts)
    number = rollouts.lengths if tokens is None else tokens.sum(1)
    return number.where(term.rows(rollouts), 0)


def _row_loss(term: Term, rollouts: Rollouts) -> Tensor:
    """Return the sum of each row's losses over the tokens that the term counts."""
    loss = term(rollouts)
    if term.unit == "trajectory":
        return loss
    tokens = term.tokens(rollouts)
    return (loss * (rollouts.weight if tokens is None else tokens).to(loss.dtype)).sum(1)
