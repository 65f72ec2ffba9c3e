"""From element-wise losses to one number: the numerator of each row, and an explicit divisor.

The divisor is a function of the mask alone. Computed once for a whole batch and handed to every micro-batch, it makes
the micro-batches' losses add up to the batch's, however the batch was cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from calibrl_ref._checks import check_bool, check_count, check_same_shape, look_up, precise
from calibrl_ref._segments import segment_ids, segment_sum, spread


@dataclass(frozen=True, kw_only=True)
class _Mode:
    per_token: bool  # divide each row by its own number of tokens
    divisor: Callable[..., Tensor]  # (tokens, rows, max_length) -> divisor
    counts: bool = True  # the divisor is a count, which adds up over parts of a batch; else a constant


AGGREGATIONS: dict[str, _Mode] = {
    "token_mean": _Mode(per_token=False, divisor=lambda tokens, rows, max_length: tokens),
    "sequence_mean_token_mean": _Mode(per_token=True, divisor=lambda tokens, rows, max_length: rows),
    "sequence_mean_token_sum": _Mode(per_token=False, divisor=lambda tokens, rows, max_length: rows),
    "constant_length": _Mode(per_token=False, divisor=lambda tokens, rows, max_length: rows * max_length),
    "constant_length_sum": _Mode(
        per_token=False, divisor=lambda tokens, rows, max_length: torch.full_like(rows, max_length), counts=False
    ),
}
"""Name of an aggregation -> its numerator and divisor; the formulas are in ``aggregate``."""


def aggregate(
    loss: Float[Tensor, "rows time"],
    mask: Bool[Tensor, "rows time"],
    *,
    mode: str = "token_mean",
    max_length: int | None = None,
    divisor: Float[Tensor, "*rows"] | None = None,
) -> Float[Tensor, ""]:
    """Reduce element-wise losses to a scalar.

    | mode | formula | used by |
    |---|---|---|
    | token_mean | sum / tokens | DAPO, released CalibRL |
    | sequence_mean_token_mean | mean over rows of the row's mean | GRPO |
    | sequence_mean_token_sum | mean over rows of the row's sum | Eq. 10 of CalibRL |
    | constant_length | sum / (rows x max_length) | Dr.GRPO |
    | constant_length_sum | sum / max_length | released CalibRL's seq-mean-token-sum-norm |

    A row counts if its mask has a True. Nothing counted gives exactly 0.

    Args:
        loss: element-wise loss; anything, NaN included, where the mask is False.
        mask: True where an element counts.
        mode: one of the names above.
        max_length: the constant of the constant-length modes, in tokens; None takes the time dimension (the padded
            length of this batch, as the released code does).
        divisor: what to divide by, a scalar or one per row; None computes it from the mask.

    Returns:
        The aggregated loss, a scalar.

    Raises:
        ValueError: unknown ``mode``, shapes differ, ``max_length`` below 1.
        TypeError: ``mask`` is not boolean.

    Reference:
        agg_loss in the released CalibRL's src/core_algos.py, without the 1e-8 in its divisor.

    Example:
        >>> loss, mask = torch.tensor([[1.0, 2.0], [4.0, 9.0]]), torch.tensor([[True, True], [True, False]])
        >>> float(aggregate(loss, mask, mode="sequence_mean_token_sum"))
        3.5
    """
    check_bool("mask", mask)
    check_same_shape(loss=loss, mask=mask)
    if divisor is None:
        divisor = aggregation_divisor(mask, mode=mode, max_length=max_length)
    return aggregate_rows(precise(loss).where(mask, 0.0).sum(1), mask.sum(1), mode=mode, divisor=divisor)


def aggregate_rows(
    row_loss: Float[Tensor, " rows"], tokens: Int[Tensor, " rows"], *, mode: str, divisor: Float[Tensor, "*rows"]
) -> Float[Tensor, ""]:
    """Reduce each row's summed loss to a scalar; what ``aggregate`` does once the tokens are added up.

    Args:
        row_loss: the sum of each row's counted losses, 0 for a row that does not count.
        tokens: how many they are.
        mode: the name of an aggregation.
        divisor: what to divide by, a scalar or one per row.

    Example:
        >>> rows, tokens = torch.tensor([3.0, 4.0]), torch.tensor([2, 1])
        >>> float(aggregate_rows(rows, tokens, mode="sequence_mean_token_mean", divisor=torch.tensor(2.0)))
        2.75
    """
    if look_up(AGGREGATIONS, "mode", mode).per_token:
        row_loss = row_loss / tokens.clamp(min=1)
    return (row_loss / divisor.where(divisor > 0.0, 1.0).to(row_loss.dtype)).sum()


def aggregation_divisor(
    mask: Bool[Tensor, "rows time"],
    *,
    mode: str = "token_mean",
    max_length: int | None = None,
    replica: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "*rows"]:
    """What ``aggregate`` divides by.

    Args:
        mask: True where an element counts.
        mode: the name of an aggregation.
        max_length: the constant of the constant-length modes, in tokens; None takes the time dimension.
        replica: the independent batch that each row belongs to.

    Returns:
        A scalar; with ``replica``, one value per row, that of the row's replica. 0 where a count finds nothing, so that
        the counts of several processes add up; ``aggregate`` then gives 0.

    Raises:
        ValueError: unknown ``mode``, ``max_length`` below 1.
        TypeError: ``mask`` is not boolean.

    Example:
        >>> float(aggregation_divisor(torch.tensor([[True, True], [True, False]]), mode="token_mean"))
        3.0
    """
    check_bool("mask", mask)
    check_count("max_length", max_length)
    length = mask.shape[1] if max_length is None else max_length
    return _divisor(mask.sum(1), length, mode, None if replica is None else segment_ids(replica)[0])


def _divisor(tokens: Tensor, length: int, mode: str, segment: Tensor | None) -> Tensor:
    divide = look_up(AGGREGATIONS, "mode", mode).divisor
    if segment is None:
        return divide(tokens.sum().double(), (tokens > 0).sum().double(), length)
    by_segment = (segment_sum(values.double(), segment, len(segment)) for values in (tokens, tokens > 0))
    return spread(divide(*by_segment, length), segment)


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """An aggregation with its constant: what an objective carries.

    Attributes:
        mode: one of ``AGGREGATIONS``.
        max_length: the constant of the constant-length modes, in tokens.
    """

    mode: str = "token_mean"
    max_length: int | None = None

    def __post_init__(self) -> None:
        look_up(AGGREGATIONS, "aggregation", self.mode)
        check_count("max_length", self.max_length)

    @property
    def counts(self) -> bool:
        """Whether the divisor is a count, which adds up over the parts of a batch; else it is a constant."""
        return AGGREGATIONS[self.mode].counts

    def divisor(
        self, tokens: Int[Tensor, " rows"], padded_length: int, replica: Int[Tensor, " rows"] | None
    ) -> Float[Tensor, "*rows"]:
        """Return what to divide by, given how many tokens of each row count; see ``aggregation_divisor``.

        Replicas are numbers below the number of rows here: ``Rollouts.replica_segment``.
        """
        return _divisor(tokens, padded_length if self.max_length is None else self.max_length, self.mode, replica)

    def __call__(
        self, row_loss: Float[Tensor, " rows"], tokens: Int[Tensor, " rows"], divisor: Float[Tensor, "*rows"]
    ) -> Float[Tensor, ""]:
        """Return the aggregated loss; see ``aggregate_rows``."""
        return aggregate_rows(row_loss, tokens, mode=self.mode, divisor=divisor)
