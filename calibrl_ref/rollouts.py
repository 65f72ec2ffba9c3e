"""One batch of responses, validated once: the input of every objective."""

from collections.abc import Callable
from dataclasses import InitVar, dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import (
    HALF,
    bad_value,
    check_at_most,
    check_bool,
    check_finite,
    check_float,
    check_integer,
    check_shape,
    check_tensor,
    precise,
)
from calibrl_ref._segments import rank_in_segment, segment_ids
from calibrl_ref.draws import digest, splitmix64, uniform_draw

_LOG_PROBS = ("token_log_prob", "old_token_log_prob", "reference_token_log_prob", "sampler_token_log_prob")
_BY_TOKEN = (*_LOG_PROBS, "token_entropy")
_FLOATS = (*_BY_TOKEN, "advantage", "expert_log_prob")
_CONSTANTS = tuple(name for name in _FLOATS if name not in ("token_log_prob", "token_entropy"))
_CHECKED = (*_BY_TOKEN, "advantage")
_BOOLS, _IDS = ("mask", "is_expert", "correct", "off_policy"), ("group", "replica", "row_id")
_ROUNDING = 1e-3  # nats that a log-probability may exceed 0 by
_COARSE_ROUNDING = 0.1  # the same in bf16 and fp16: bf16 rounds a logit of 20 to an eighth


class _Derived:
    """A place beside the fields for constants computed from them once; ``vars`` and ``replace`` do not see it."""

    __slots__ = ("_derived",)
    _derived: dict[str, Tensor]

    def _once(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """Return ``compute()``, computed at the first call."""
        if not hasattr(self, "_derived"):
            object.__setattr__(self, "_derived", {})
        if name not in self._derived:
            self._derived[name] = compute()
        return self._derived[name]

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: what is derived from them is computed again."""
        return vars(self)


@dataclass(frozen=True, kw_only=True)
class Rollouts(_Derived):
    """Responses of all groups, on-policy and expert together; rows are responses, time is response tokens.

    On construction every field is checked, what lies under the mask is replaced by 0 (so garbage there, NaN included,
    never reaches a loss), bf16 and fp16 become float32, and the constants are detached. Values are checked in one pass
    that waits for the device once; ``validate=False`` leaves it out, for the inner loop over a batch that was checked.

    Attributes:
        token_log_prob: log-probabilities under the current policy, in nats; differentiable.
        old_token_log_prob: the same under the policy that sampled (for an expert: the old policy, teacher-forced).
        mask: True at response tokens. A row without any (padding of the batch) counts for nothing.
        group: id of the row's prompt, any integers in any order.
        is_expert: True at an expert's row.
        correct: the verifier's verdict.
        advantage: the group advantage, without unit.
        token_entropy: entropy of the policy at each position, in nats; differentiable.
        reference_token_log_prob: log-probabilities under a frozen reference policy, in nats.
        replica: id of the independent batch that the row belongs to (None: all rows are one batch). Each replica is
            reduced with its own divisor and their losses are summed, so a population of seeds trains in one tensor
            program without one touching another.
        off_policy: True at tokens that the policy did not sample, where that is not every token of an expert's row and
            no other (None): an expert's text that the policy finished, or a prefix of one.
        expert_log_prob: log-probability of the whole response of the row's expert, computed beforehand, in nats; NaN
            where the row's prompt has none. For ``baseline="precomputed_expert"``, without expert rows.
        sampler_token_log_prob: log-probabilities that the sampling engine itself gave, in nats, where they differ from
            the trainer's of the same weights (``old_token_log_prob``).
        row_id: an id of each row, for what is drawn by chance (Clip-Cov, the random gate): equal ids draw equally,
            however the batch is cut or ordered. None: made of the row's number and the batch, and kept by ``select``.
        validate: whether values are checked (shapes and types always are).

    Raises:
        ValueError: a shape, a non-finite value, a positive log-probability, a group across two replicas.
        TypeError: not a tensor, or a wrong dtype.

    Example:
        >>> rollouts = Rollouts(
        ...     token_log_prob=torch.tensor([[-1.0, -2.0], [-0.5, float("nan")]]),
        ...     old_token_log_prob=torch.tensor([[-1.0, -2.0], [-0.5, 0.0]]),
        ...     mask=torch.tensor([[True, True], [True, False]]),
        ...     group=torch.tensor([0, 0]), is_expert=torch.tensor([False, True]),
        ...     correct=torch.tensor([False, True]), advantage=torch.tensor([-0.5, 0.5]),
        ... )
        >>> rollouts.token_log_prob[1]
        tensor([-0.5000,  0.0000])
    """

    token_log_prob: Float[Tensor, "rows time"]
    old_token_log_prob: Float[Tensor, "rows time"]
    mask: Bool[Tensor, "rows time"]
    group: Int[Tensor, " rows"]
    is_expert: Bool[Tensor, " rows"]
    correct: Bool[Tensor, " rows"]
    advantage: Float[Tensor, " rows"]
    token_entropy: Float[Tensor, "rows time"] | None = None
    reference_token_log_prob: Float[Tensor, "rows time"] | None = None
    replica: Int[Tensor, " rows"] | None = None
    off_policy: Bool[Tensor, "rows time"] | None = None
    expert_log_prob: Float[Tensor, " rows"] | None = None
    sampler_token_log_prob: Float[Tensor, "rows time"] | None = None
    row_id: Int[Tensor, " rows"] | None = None
    validate: InitVar[bool] = True

    def __post_init__(self, validate: bool) -> None:
        self._check_tensors()
        limits = {name: _limit(name, values) for name in _CHECKED if (values := getattr(self, name)) is not None}
        for name in _FLOATS:
            self._replace(name, precise)
        for name in _BY_TOKEN:
            self._replace(name, lambda values: values.where(self.mask, 0.0))
        for name in _CONSTANTS:  # stop-gradient: sampling policy, reference policy, expert and advantage are data
            self._replace(name, Tensor.detach)
        if validate and self.mask.numel():
            self._check_values(limits)

    def select(self, keep: Bool[Tensor, " rows"]) -> "Rollouts":
        """Return the rows where ``keep`` is True.

        Args:
            keep: which rows to keep.

        Raises:
            ValueError: ``keep`` has not one value per row.
            TypeError: ``keep`` is not a bool tensor.
        """
        check_bool("keep", keep)
        check_shape("keep", keep, self.group.shape, "[rows]")
        given = {field.name: getattr(self, field.name) for field in fields(self)} | {"row_id": self.row_ids()}
        kept = {name: values[keep] for name, values in given.items() if values is not None}
        return replace(self, **kept, validate=False)

    @property
    def lengths(self) -> Int[Tensor, " rows"]:
        """Response tokens of each row."""
        return self._once("lengths", lambda: self.mask.sum(1))

    @property
    def weight(self) -> Float[Tensor, "rows time"]:
        """The mask as 0 and 1: a product with it takes a third of the time of a choice by it."""
        return self._once("weight", lambda: self.mask.to(self.token_log_prob.dtype))

    @property
    def segment(self) -> Int[Tensor, " rows"]:
        """The groups in ascending order, each numbered by its first row's place in it."""
        return self._once("segment", lambda: segment_ids(self.group)[0])

    @property
    def replica_segment(self) -> Int[Tensor, " rows"]:
        """The replicas numbered likewise; 0 where all rows are one batch."""
        if self.replica is None:
            return torch.zeros_like(self.group)
        replica = self.replica
        return self._once("replica", lambda: segment_ids(replica)[0])

    def trajectory_log_prob(self) -> Float[Tensor, " rows"]:
        """Log-probability of each row's whole response under the current policy, in nats; 0 without tokens."""
        return (self.token_log_prob * self.weight).sum(1)

    def row_ids(self) -> Int[Tensor, " rows"]:
        """Return ``row_id``, or where there is none a hash of the row's number and of its whole batch (its replica's).

        The batch is known by the bits of the old policy's log-probabilities, so the next one has other ids.
        """
        if self.row_id is not None:
            return self.row_id
        replica = self.replica_segment
        return splitmix64(digest(self.old_token_log_prob, replica) ^ rank_in_segment(replica))

    def uniform_per_row(self) -> Float[Tensor, " rows"]:
        """Return a number in [0, 1) for each row: a function of its id and of its old log-probabilities' bits."""
        return uniform_draw(self.row_ids(), self.old_token_log_prob.amin(1))

    def uniform_per_token(self) -> Float[Tensor, "rows time"]:
        """Return a number in [0, 1) for each token: a function of its row's id, its position and its old bits.

        The same batch gives the same numbers, whichever micro-batch a row is in; the next batch gives others.
        """
        position = torch.arange(self.mask.shape[1], device=self.mask.device)
        return uniform_draw(self.row_ids().unsqueeze(1), position, self.old_token_log_prob)

    def off_policy_tokens(self) -> Bool[Tensor, "rows time"]:
        """Return which response tokens the policy did not sample: ``off_policy``, or all of the experts' rows."""
        return self.mask & (self.is_expert.unsqueeze(1) if self.off_policy is None else self.off_policy)

    def _replace(self, name: str, change: Callable[[Tensor], Tensor]) -> None:
        if (values := getattr(self, name)) is not None:
            object.__setattr__(self, name, change(values))

    def _check_tensors(self) -> None:
        for field in fields(self):
            values = getattr(self, field.name)
            if values is None and field.default is None:
                continue
            check_tensor(field.name, values)
            self._check_field(field.name, values)

    def _check_field(self, name: str, values: Tensor) -> None:
        check = check_bool if name in _BOOLS else check_integer if name in _IDS else check_float
        check(name, values)
        if name == "token_log_prob" and values.dim() != 2:
            raise bad_value(
                "token_log_prob.shape", tuple(values.shape), "two dimensions [rows, time]", "pad to a matrix"
            )
        by_time = name in (*_BY_TOKEN, "mask", "off_policy")
        shape = self.token_log_prob.shape if by_time else self.token_log_prob.shape[:1]
        check_shape(name, values, shape, "[rows, time]" if by_time else "[rows]")

    def _check_values(self, limits: dict[str, float]) -> None:
        """Ask the device once whether anything is wrong, and only then what."""
        wrong = [_exceeds(getattr(self, name), limit) for name, limit in limits.items()]
        if self.expert_log_prob is not None:
            wrong.append((self.expert_log_prob.isinf() | (self.expert_log_prob > _ROUNDING)).any())
        if self.replica is not None:
            wrong.append(self._split_groups().any())
        if bool(torch.stack(wrong).any()):
            self._explain(limits)

    def _explain(self, limits: dict[str, float]) -> None:
        """Raise the error of the first value that is wrong."""
        for name, limit in limits.items():
            check_finite(name, getattr(self, name))
            check_at_most(name, getattr(self, name), limit)
        if self.expert_log_prob is not None:
            present = self.expert_log_prob.where(~self.expert_log_prob.isnan(), 0.0)
            check_finite("expert_log_prob", present)
            check_at_most("expert_log_prob", present, _ROUNDING)
        group = int(self.group[self._split_groups()][0])
        raise bad_value("replica", f"group {group} in two replicas", "one replica per group", "renumber the groups")

    def _split_groups(self) -> Bool[Tensor, " rows"]:
        """Mark the rows whose group has rows of another replica."""
        group, replica = self.segment, self.replica_segment
        return torch.empty_like(replica).scatter(0, group, replica).index_select(0, group) != replica


def _limit(name: str, values: Tensor) -> float:
    """How large a field's values may be: a log-probability is at most 0, up to its type's rounding."""
    if name not in _LOG_PROBS:
        return torch.finfo(torch.float64).max
    return _COARSE_ROUNDING if values.dtype in HALF else _ROUNDING


def _exceeds(values: Tensor, limit: float) -> Bool[Tensor, ""]:
    """Whether a value is not finite or larger than ``limit``, in one pass."""
    low, high = values.detach().aminmax()
    return ~((low > -torch.inf) & (high <= limit))
