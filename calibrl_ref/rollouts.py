"""One batch of responses, validated once: the input of every objective."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import (
    bad_value,
    check_bool,
    check_finite,
    check_float,
    check_integer,
    check_shape,
    check_tensor,
)
from calibrl_ref._segments import dense_ids, segment_sum

_BY_TOKEN = ("token_log_prob", "old_token_log_prob", "token_entropy", "reference_token_log_prob")
_CONSTANT = ("old_token_log_prob", "reference_token_log_prob", "advantage")


@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """Responses of all groups, on-policy and expert together; rows are responses, time is response tokens.

    On construction every field is checked, what lies under the mask is replaced by 0 (so garbage there, NaN included,
    never reaches a loss), and the constants are detached.

    Attributes:
        token_log_prob: log-probabilities under the current policy, in nats; differentiable.
        old_token_log_prob: the same under the policy that sampled (for an expert: the old policy, teacher-forced).
        mask: True at response tokens; every row has at least one.
        group: id of the row's prompt, any integers in any order.
        is_expert: True at an expert's row; at most one per group.
        correct: the verifier's verdict.
        advantage: the group advantage, without unit.
        token_entropy: entropy of the policy at each position, in nats; differentiable.
        reference_token_log_prob: log-probabilities under a frozen reference policy, in nats.
        replica: id of the independent batch that the row belongs to (None: all rows are one batch). Each replica is
            reduced with its own divisor and their losses are summed, so a population of seeds trains in one tensor
            program without one touching another.

    Raises:
        ValueError: a shape, a non-finite value, an empty row, two experts in a group, a group across two replicas.
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

    def __post_init__(self) -> None:
        self._check_tensors()
        for name in _BY_TOKEN:
            self._replace(name, lambda values: values.where(self.mask, 0.0))
        for name in _CONSTANT:  # stop-gradient: sampling policy, reference policy and advantage are data
            self._replace(name, Tensor.detach)
        for name in (*_BY_TOKEN, "advantage"):
            if (values := getattr(self, name)) is not None:
                check_finite(name, values)
        self._check_groups()

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
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: values[keep] for name, values in given.items() if values is not None})

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
        if not bool(self.mask.any(1).all()):
            row = int(torch.nonzero(~self.mask.any(1))[0])
            raise bad_value(f"mask[{row}]", "all False", "a True in every row", "drop responses without a token")

    def _check_field(self, name: str, values: Tensor) -> None:
        if name in ("mask", "is_expert", "correct"):
            check_bool(name, values)
        elif name in ("group", "replica"):
            check_integer(name, values)
        else:
            check_float(name, values)
        if name == "token_log_prob" and values.dim() != 2:
            raise bad_value(
                "token_log_prob.shape", tuple(values.shape), "two dimensions [rows, time]", "pad to a matrix"
            )
        by_time = name in (*_BY_TOKEN, "mask")
        shape = self.token_log_prob.shape if by_time else self.token_log_prob.shape[:1]
        check_shape(name, values, shape, "[rows, time]" if by_time else "[rows]")

    def _check_groups(self) -> None:
        dense, groups = dense_ids(self.group)
        experts = segment_sum(self.is_expert.double(), dense, groups)
        if bool((experts > 1).any()):
            group = int(self.group[dense == experts.argmax()][0])
            raise bad_value(
                "is_expert", f"{int(experts.max())} True in group {group}", "at most one", "keep one expert"
            )
        if self.replica is not None:
            owner = self.replica.new_empty(groups).scatter(0, dense, self.replica)
            if bool((owner[dense] != self.replica).any()):
                group = int(self.group[owner[dense] != self.replica][0])
                raise bad_value(
                    "replica", f"group {group} in two replicas", "one replica per group", "renumber the groups"
                )
