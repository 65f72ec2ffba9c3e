"""Batches as the trainer handles them: columns with one entry per row, cut into updates and micro-batches."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor

from calibrl_ref import Rollouts

Rows = dict[str, Any]  # name -> [rows, ...] tensor, or a list with one entry per row
Item = TypeVar("Item")

PICTURE_FIELDS = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)
PROMPT_FIELDS = ("prompt_ids", "prompt_mask")  # padded on the left
SPANNING_FIELDS = ("token_type_ids", "mm_token_type_ids")  # prompt and response, one behind the other
TOKEN_FIELDS = ("prompt_ids", "completion_ids")  # padded with the padding token; everything else with 0


def as_rollouts(rows: Rows, log_prob: Tensor, entropy: Tensor) -> Rollouts:
    """A micro-batch as ``calibrl_ref`` reads it.

    Args:
        rows: From ``HybridPolicyTrainer``.
        log_prob: Log-probability of each response token, [rows, time], nats.
        entropy: Entropy there, [rows, time], nats.

    Returns:
        The rollouts. Without older log-probabilities the sampling policy is the current one.
    """
    old = rows.get("old_per_token_logps")
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach() if old is None else old,
        mask=rows["completion_mask"].bool(),
        group=rows["group"],
        is_expert=rows["is_expert"],
        correct=rows["correct"],
        advantage=rows["advantage"],
        token_entropy=entropy,
        reference_token_log_prob=rows.get("ref_per_token_logps"),
    )


def take_rows(batch: Rows, rows: Sequence[int]) -> Rows:
    """The chosen rows of every column, in the given order.

    Args:
        batch: Columns with one entry per row.
        rows: Row numbers.

    Returns:
        A new batch.
    """
    return {
        name: column[list(rows)] if isinstance(column, Tensor) else [column[row] for row in rows]
        for name, column in batch.items()
    }


def join_rows(batches: Sequence[Rows], *, pad_token: int) -> Rows:
    """Several batches below each other, padded to the longest prompt (left) and the longest response (right).

    Args:
        batches: At least one, all with the same columns.
        pad_token: For token ids; everything else is padded with 0.

    Returns:
        A new batch.
    """
    prompt = max(_prompt_width(batch) for batch in batches)
    response = max(batch["completion_mask"].shape[1] for batch in batches)
    aligned = [_aligned(batch, prompt, response, pad_token) for batch in batches]
    return {name: _joined([batch[name] for batch in aligned]) for name in batches[0]}


def _prompt_width(batch: Rows) -> int:
    return batch["prompt_ids"].shape[1] if "prompt_ids" in batch else 0


def _aligned(batch: Rows, prompt: int, response: int, pad_token: int) -> Rows:
    left, right = prompt - _prompt_width(batch), response - batch["completion_mask"].shape[1]
    aligned = dict(batch)
    for name, column in batch.items():
        if isinstance(column, Tensor) and column.ndim == 2:
            sides = (left * (name in PROMPT_FIELDS + SPANNING_FIELDS), right * (name not in PROMPT_FIELDS))
            value = pad_token if name in TOKEN_FIELDS else 0
            aligned[name] = torch.nn.functional.pad(column, sides, value=value)
    return aligned


def _joined(columns: Sequence[Any]) -> Any:  # noqa: ANN401 - a column is a tensor or a list
    if isinstance(columns[0], Tensor):
        return torch.cat([column.to(columns[0].dtype) for column in columns])
    return [entry for column in columns for entry in column]


def chunks(items: Sequence[Item], count: int) -> list[list[Item]]:
    """Cut a sequence into ``count`` runs whose lengths differ by at most one; the first are the longer ones.

    Args:
        items: What to cut, in order.
        count: Number of runs, empty ones included.

    Returns:
        The runs.
    """
    length, longer = divmod(len(items), count)
    ends = [(index + 1) * length + min(index + 1, longer) for index in range(count)]
    return [list(items[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def group_members(group: Tensor, order: Iterable[int]) -> list[list[int]]:
    """Row numbers of each group, the groups in the given order; ids without a row are left out.

    Args:
        group: Group id of each row, [rows].
        order: Group ids.

    Returns:
        One list of rows per group.
    """
    members: dict[int, list[int]] = {}
    for row, identity in enumerate(group.tolist()):
        members.setdefault(identity, []).append(row)
    return [members[identity] for identity in order if identity in members]


def group_count(batches: Sequence[Rows]) -> int:
    """Groups in several batches together, each with its own ids."""
    return sum(len(batch["group"].unique()) for batch in batches)


def first_groups(batches: Sequence[Rows], wanted: int, *, pad_token: int) -> Rows:
    """The first groups of several batches, below each other and numbered from 0 without gaps.

    Args:
        batches: At least one, each with its own group ids.
        wanted: Groups at most.
        pad_token: As in :func:`join_rows`.

    Returns:
        A new batch.
    """
    renumbered, start = [], 0
    for batch in batches:
        ids, dense = batch["group"].unique(return_inverse=True)
        renumbered.append(batch | {"group": dense + start})
        start += len(ids)
    joined = join_rows(renumbered, pad_token=pad_token)
    surplus = joined["group"] >= wanted
    return take_rows(joined, (~surplus).nonzero().flatten().tolist()) if surplus.any() else joined


def gather_rows(parts: Sequence[Rows], names: Sequence[str]) -> tuple[Rows | None, int]:
    """The named columns of all processes' rows, below each other on the CPU, with groups told apart.

    Args:
        parts: This process's batches; they may be without rows.
        names: Columns; ``group`` and ``completion_mask`` among them. A column that the batches lack is left out.

    Returns:
        The rows of all processes (None if there is none), and the number of the first that is this process's.
    """
    local = [{name: part[name].detach().cpu() for name in names if name in part} for part in parts]
    everyone: list[list[Rows]] = gather_object([local])
    whole: list[Rows] = []
    first = start = 0
    for process, batches in enumerate(everyone):
        if process == PartialState().process_index:
            first = sum(len(batch["group"]) for batch in whole)
        filled = [batch for batch in batches if len(batch["group"])]
        whole += [batch | {"group": batch["group"] + start} for batch in filled]
        start += max((int(batch["group"].max()) + 1 for batch in filled), default=0)
    return (join_rows(whole, pad_token=0) if whole else None), first


def resized(column: Tensor, width: int, value: int = 0) -> Tensor:
    """Cut or pad a [rows, time] tensor on the right.

    Args:
        column: The tensor.
        width: New length of the time dimension.
        value: Of the padding.

    Returns:
        A [rows, width] tensor.
    """
    return torch.nn.functional.pad(column[:, :width], (0, max(0, width - column.shape[1])), value=value)
