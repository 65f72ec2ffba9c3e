"""What a response is compared with (baseline), and at which level its gap to the baseline is taken.

A baseline is a function ``rollouts -> Baseline``; a gap level gives the two log-probabilities whose difference is the
gap. To add one: ``BASELINES["name"] = function``, better ``BaselineRule(find=function, scope=...)``, or
``GAPS["name"] = GapLevel(...)``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import bad_value, check_bool, check_integer, check_same_shape, look_up
from calibrl_ref._segments import segment_ids, segment_sum
from calibrl_ref.log_probs import trajectory_log_prob
from calibrl_ref.rollouts import Rollouts

Compared = tuple[Tensor, Tensor]  # log-probabilities of the policy's response and of its baseline, of one shape
Unit = Literal["token", "trajectory"]
Scope = Literal["row", "group", "batch"]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The reference point of every row.

    Attributes:
        token_log_prob: the baseline's log-probabilities in nats, 0 outside its mask.
        mask: True at the baseline's own tokens (an expert's response has another length than the policy's).
        present: whether the row has a baseline at all.
    """

    token_log_prob: Float[Tensor, "rows time"]
    mask: Bool[Tensor, "rows time"]
    present: Bool[Tensor, " rows"]

    def trajectory(self, own: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Log-probability of each row's whole baseline, in nats; ``own`` is that of the row's response."""
        return trajectory_log_prob(self.token_log_prob, self.mask)

    def length(self) -> Float[Tensor, " rows"]:
        """Tokens of each row's baseline."""
        return self.mask.sum(1).to(self.token_log_prob.dtype)


class ExpertBaseline(Baseline):
    """The mean over the experts of a group, which is the expert where there is one; taken only when it is asked for.

    A whole response's log-probability is one number per row, so no ``[rows, time]`` tensor is made for it.
    """

    def __init__(self, source: Tensor, rollouts: Rollouts, experts: "_Experts") -> None:
        self._source, self._rollouts, self._experts = source, rollouts, experts

    @property
    def _tokens(self) -> Tensor:
        """An expert's text: what of its row the policy did not sample."""
        return self._rollouts.mask if self._rollouts.off_policy is None else self._rollouts.off_policy_tokens()

    @property
    def token_log_prob(self) -> Float[Tensor, "rows time"]:
        """Token t against token t: the mean over the experts, 0 for one that has ended."""
        mixed = self._rollouts.off_policy is not None
        return self._experts.mean(self._source.where(self._tokens, 0.0) if mixed else self._source)

    @property
    def mask(self) -> Bool[Tensor, "rows time"]:
        """True where one of the experts has a token."""
        return self._experts.mean(self._tokens.to(self._source.dtype)) > 0.0

    @property
    def present(self) -> Bool[Tensor, " rows"]:
        """Whether the row's group has an expert."""
        return self._experts.present

    def trajectory(self, own: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """Mean log-probability of the experts' whole responses, in nats."""
        is_own = self._source is self._rollouts.token_log_prob and self._rollouts.off_policy is None
        return self._experts.mean(own if is_own else trajectory_log_prob(self._source, self._tokens))

    def length(self) -> Float[Tensor, " rows"]:
        """Mean number of the experts' tokens."""
        return self._experts.mean(self._tokens.sum(1).to(self._source.dtype))


class PrecomputedBaseline(Baseline):
    """A number per row that was computed beforehand: for the gap between whole responses, and no other."""

    def __init__(self, log_prob: Tensor) -> None:
        self._log_prob = log_prob

    @property
    def token_log_prob(self) -> Float[Tensor, "rows time"]:
        """There is none.

        Raises:
            ValueError: always.
        """
        raise bad_value("gap", "one that reads tokens", "'trajectory' for a precomputed expert", 'use gap="trajectory"')

    mask = token_log_prob

    @property
    def present(self) -> Bool[Tensor, " rows"]:
        """Whether the row has a number."""
        return ~self._log_prob.isnan()

    def trajectory(self, own: Float[Tensor, " rows"]) -> Float[Tensor, " rows"]:
        """The number."""
        return self._log_prob.where(self.present, 0.0)

    def length(self) -> Float[Tensor, " rows"]:
        """There is none.

        Raises:
            ValueError: always.
        """
        return self.token_log_prob


def expert_row(group: Int[Tensor, " rows"], is_expert: Bool[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Index of the (first) expert's row in each row's group, or -1 where the group has none.

    Raises:
        ValueError: the shapes differ.
        TypeError: a wrong dtype.

    Example:
        >>> expert_row(torch.tensor([5, 9, 5]), torch.tensor([False, False, True]))
        tensor([ 2, -1,  2])
    """
    check_integer("group", group)
    check_bool("is_expert", is_expert)
    check_same_shape(group=group, is_expert=is_expert)
    dense, groups = segment_ids(group)
    none = len(group)
    index = torch.arange(none, device=group.device).where(is_expert, none)
    first = torch.full((groups,), none, device=group.device).scatter_reduce(0, dense, index, "amin")[dense]
    return first.where(first < none, -1)


def expert_baseline(rollouts: Rollouts) -> Baseline:
    """The expert of the row's own group, under the current policy (the paper's form; gradient flows into it)."""
    return ExpertBaseline(rollouts.token_log_prob, rollouts, _own_experts(rollouts))


def old_expert_baseline(rollouts: Rollouts) -> Baseline:
    """The expert of the row's own group, under the old policy: a constant (the released code's form)."""
    return ExpertBaseline(rollouts.old_token_log_prob, rollouts, _own_experts(rollouts))


def precomputed_expert_baseline(rollouts: Rollouts) -> Baseline:
    """``Rollouts.expert_log_prob``: a constant, and no expert row in the batch.

    Raises:
        ValueError: the rollouts carry no ``expert_log_prob``.
    """
    if rollouts.expert_log_prob is None:
        raise bad_value("expert_log_prob", None, "a tensor [rows]", "score each prompt's expert beforehand")
    return PrecomputedBaseline(rollouts.expert_log_prob)


def shuffled_expert_baseline(rollouts: Rollouts) -> Baseline:
    """Control: the expert of another prompt, the next group (cyclic, by id) of the same replica that has one.

    With a single expert in the replica there is no other, and no row has a baseline.
    """
    own = _own_experts(rollouts)
    replica = rollouts.replica_segment
    has_expert = own.number[:-1] > 0
    owner = torch.zeros_like(replica).scatter(0, own.target, replica)
    owner = owner.where(has_expert, len(owner))  # groups without an expert come last
    order = torch.argsort(owner, stable=True)
    position = torch.arange(len(order), device=order.device)
    ordered = owner[order]
    first = torch.searchsorted(ordered, ordered)
    is_last = torch.ones_like(order, dtype=torch.bool)
    is_last[:-1] = ordered[1:] != ordered[:-1]
    other = torch.empty_like(order).scatter(0, order, order[torch.where(is_last, first, position + 1)])
    other = other.where(has_expert & (other != position), len(other))
    experts = _Experts(own.group, other[own.target], own.number)
    return ExpertBaseline(rollouts.token_log_prob, rollouts, experts)


def reference_baseline(rollouts: Rollouts) -> Baseline:
    """Ablation: the same response under a frozen reference policy; needs no expert.

    Raises:
        ValueError: the rollouts carry no ``reference_token_log_prob``.
    """
    if rollouts.reference_token_log_prob is None:
        raise bad_value("reference_token_log_prob", None, "a tensor [rows, time]", "score with a frozen policy")
    present = torch.ones_like(rollouts.is_expert)
    return Baseline(token_log_prob=rollouts.reference_token_log_prob, mask=rollouts.mask, present=present)


@dataclass(frozen=True, kw_only=True)
class BaselineRule:
    """A baseline with what others must know of it.

    The defaults are right for any function, so one that is registered bare is never cut wrongly; a narrower scope
    spares a trainer a forward pass, and an expert that is held fixed its backward pass.

    Attributes:
        find: gives every row its baseline.
        scope: with which rows a row is compared: "row" for itself alone, "group" for its group's (its experts, if it
            ``needs`` the expert), "batch" for any.
        moves_expert: whether a gradient flows into an expert's row.
        needs: what it reads beyond the policy's rows: of "expert", or a field of ``Rollouts``.
    """

    find: Callable[[Rollouts], Baseline]
    scope: Scope = "batch"
    moves_expert: bool = True
    needs: frozenset[str] = frozenset({"expert"})

    def __call__(self, rollouts: Rollouts) -> Baseline:
        """Return the baseline of every row."""
        return self.find(rollouts)


BASELINES: dict[str, Callable[[Rollouts], Baseline]] = {
    "expert": BaselineRule(find=expert_baseline, scope="group"),
    "old_expert": BaselineRule(find=old_expert_baseline, scope="group", moves_expert=False),
    "shuffled_expert": BaselineRule(find=shuffled_expert_baseline, scope="batch"),
    "precomputed_expert": BaselineRule(
        find=precomputed_expert_baseline, scope="row", moves_expert=False, needs=frozenset({"expert_log_prob"})
    ),
    "reference": BaselineRule(
        find=reference_baseline, scope="row", moves_expert=False, needs=frozenset({"reference_token_log_prob"})
    ),
}
"""Name -> what a response is compared with: a function of the rollouts, best a ``BaselineRule``."""


def baseline_rule(name: str) -> BaselineRule:
    """Return a registered baseline as a rule; a bare function has a rule's defaults.

    Raises:
        ValueError: there is no such baseline.
    """
    found = look_up(BASELINES, "baseline", name)
    return found if isinstance(found, BaselineRule) else BaselineRule(find=found)


def trajectory_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """The paper's level: log-probabilities of the whole responses, ``[rows]``, in nats (Delta in Eq. 9)."""
    own = rollouts.trajectory_log_prob()
    return own, baseline.trajectory(own)


def trajectory_mean_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """Ablation: length-normalised log-probabilities of the whole responses, ``[rows]``, in nats per token.

    Several experts are normalised together: their log-probabilities added up, over all their tokens.
    """
    policy, reference = trajectory_log_probs(rollouts, baseline)
    # an absent baseline has no length; the mean length of one that is present is at least 1
    return policy / rollouts.lengths.clamp(min=1), reference / baseline.length().clamp(min=1.0)


def token_aligned_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """The released code's level: token t against token t of the expert's unrelated text, ``[rows, time]``, in nats.

    Beyond the expert's last token the baseline is 0. The released code has one junk value there, which is not kept.

    Reference:
        pref_log_prob in src/core_algos.py, compute_mix_policy_loss.
    """
    return rollouts.token_log_prob, baseline.token_log_prob


def anchor_mean_log_probs(rollouts: Rollouts, baseline: Baseline) -> Compared:
    """PIVOT's other reading: each token against the baseline's mean per token, ``[rows, time]``, in nats.

    Reference:
        "Anchoring What Matters", Eq. 8, whose text leaves open what a token is compared with.
    """
    _, reference = trajectory_mean_log_probs(rollouts, baseline)
    return rollouts.token_log_prob, reference.unsqueeze(1).expand_as(rollouts.token_log_prob)


@dataclass(frozen=True, kw_only=True)
class GapLevel:
    """A level at which the gap is taken.

    Attributes:
        unit: "trajectory" if it compares whole responses, "token" if tokens.
        log_probs: gives the two log-probabilities whose difference is the gap.
    """

    unit: Unit
    log_probs: Callable[[Rollouts, Baseline], Compared]


GAPS: dict[str, GapLevel] = {
    "trajectory": GapLevel(unit="trajectory", log_probs=trajectory_log_probs),
    "trajectory_mean": GapLevel(unit="trajectory", log_probs=trajectory_mean_log_probs),
    "token_aligned": GapLevel(unit="token", log_probs=token_aligned_log_probs),
    "anchor_mean": GapLevel(unit="token", log_probs=anchor_mean_log_probs),
}
"""Name -> the level at which response and baseline are compared."""


class _Experts(NamedTuple):
    """How to take the mean over the experts of each row's group, or of another group."""

    group: Tensor  # [rows]: an expert's own group, counted from 0; one beyond the last for any other row
    target: Tensor  # [rows]: the group whose experts the row is compared with; one beyond the last has none
    number: Tensor  # [groups + 1]: experts of each group

    @property
    def present(self) -> Tensor:
        """Whether there is an expert to compare each row with."""
        return self.number.index_select(0, self.target) > 0

    def mean(self, values: Tensor) -> Tensor:
        """Return, for each row, the mean of ``values`` [rows, ...] over its experts; 0 where there is none."""
        total = values.new_zeros(len(self.number), *values.shape[1:]).index_add_(0, self.group, values)
        share = ((self.number > 0) / self.number.clamp(min=1.0)).to(values.dtype)
        return total.mul_(share.view(-1, *(1 for _ in values.shape[1:]))).index_select(0, self.target)


def _own_experts(rollouts: Rollouts) -> _Experts:
    dense, groups = rollouts.segment, len(rollouts.group)
    is_expert = rollouts.is_expert & (rollouts.lengths > 0)
    number = segment_sum(is_expert.double(), dense, groups + 1)
    return _Experts(dense.where(is_expert, groups), dense, number)
