"""Batches as the trainer handles them: one row a response, cut into updates and micro-batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias, TypeVar

import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.nn.functional import pad

from calibrl_ref import Rollouts

Item = TypeVar("Item")
Column: TypeAlias = Tensor | list[Tensor] | list[int]
"""One entry per row: a [rows, ...] tensor, or a list where rows differ in size."""

PICTURE_FIELDS = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "image_position_ids",
)
"""What a model reads of pictures, under the names that transformers gives it."""
SPANNING_FIELDS = ("token_type_ids", "mm_token_type_ids")
"""What it reads beside each token, prompt and response one behind the other."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Responses with their prompts, one row each.

    Attributes:
        problem: Id of the row's problem, for messages.
        prompt_ids: Token ids, padded on the left, [rows, prompt].
        prompt_mask: 1 at the prompt's tokens, [rows, prompt].
        response_ids: Token ids, padded on the right, [rows, time].
        response_mask: 1 at the response's tokens, [rows, time].
        group: Number of the row's prompt, [rows].
        row_id: Number of the row among those of all processes, so that what is drawn by chance does not depend on the
            cut, [rows].
        is_expert: Whether an expert wrote the response, [rows].
        correct: The verifier's verdict, [rows].
        reward: [rows].
        advantage: [rows].
        old_log_prob: Of each response token under the policy that sampled, [rows, time], nats; None: the current one.
        reference_log_prob: Under the reference policy, [rows, time], nats; None where there is none.
        sampler_log_prob: As the engine that sampled gave it, [rows, time], nats; None where it gave none.
        model_inputs: What else the model reads: pictures, token types.
    """

    problem: list[str]
    prompt_ids: Tensor
    prompt_mask: Tensor
    response_ids: Tensor
    response_mask: Tensor
    group: Tensor
    row_id: Tensor
    is_expert: Tensor
    correct: Tensor
    reward: Tensor
    advantage: Tensor
    old_log_prob: Tensor | None = None
    reference_log_prob: Tensor | None = None
    sampler_log_prob: Tensor | None = None
    model_inputs: Mapping[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.group)

    def take(self, rows: Sequence[int]) -> "Batch":
        """The chosen rows, in the given order."""
        return replace(self, **{item.name: _taken(getattr(self, item.name), list(rows)) for item in fields(self)})

    def is_finite(self, *scores: Tensor) -> bool:
        """Whether advantages are finite, and scores and older log-probabilities at all response tokens.

        Args:
            scores: Each [rows, time].
        """
        known = (self.old_log_prob, self.reference_log_prob, self.sampler_log_prob)
        values = [*scores, *(kept for kept in known if kept is not None)]
        finite = torch.stack([value.isfinite() for value in values]).all(dim=0)
        return bool((finite | ~self.response_mask.bool()).all() & self.advantage.isfinite().all())

    def rollouts(self, log_prob: Tensor, entropy: Tensor) -> Rollouts:
        """The batch as ``calibrl_ref`` reads it.

        Args:
            log_prob: Log-probability of each response token, [rows, time], nats.
            entropy: Entropy there, [rows, time], nats.

        Returns:
            The rollouts. Without older log-probabilities the sampling policy is the current one.
        """
        old = log_prob.detach() if self.old_log_prob is None else self.old_log_prob
        sampler = self.sampler_log_prob
        if sampler is not None:  # it sampled no expert: there is nothing to correct
            sampler = torch.where(self.is_expert.unsqueeze(1), old, sampler)
        return Rollouts(
            token_log_prob=log_prob,
            old_token_log_prob=old,
            mask=self.response_mask.bool(),
            group=self.group,
            is_expert=self.is_expert,
            correct=self.correct,
            advantage=self.advantage,
            token_entropy=entropy,
            reference_token_log_prob=self.reference_log_prob,
            sampler_token_log_prob=sampler,
            row_id=self.row_id,
        )


def _taken(column: Any, rows: list[int]) -> Any:  # noqa: ANN401 - a column of any kind
    if isinstance(column, Mapping):
        return {name: _taken(values, rows) for name, values in column.items()}
    if column is None or isinstance(column, Tensor):
        return None if column is None else column[rows]
    return [column[row] for row in rows]


def join(batches: Sequence[Batch], *, pad_token: int) -> Batch:
    """Several batches below each other, padded to the longest prompt (left) and the longest response (right).

    Args:
        batches: At least one. Those without pictures may stand beside those with some.
        pad_token: For token ids; everything else is padded with 0.

    Returns:
        A new batch.
    """
    prompt = max(batch.prompt_ids.shape[1] for batch in batches)
    response = max(batch.response_ids.shape[1] for batch in batches)
    aligned = [_aligned(batch, prompt, response, pad_token) for batch in _with_equal_inputs(batches)]
    return replace(
        aligned[0],
        **{item.name: _joined([getattr(batch, item.name) for batch in aligned]) for item in fields(Batch)},
    )


def _aligned(batch: Batch, prompt: int, response: int, pad_token: int) -> Batch:
    left, right = prompt - batch.prompt_ids.shape[1], response - batch.response_ids.shape[1]
    known = (batch.old_log_prob, batch.reference_log_prob, batch.sampler_log_prob)
    old, reference, sampler = (None if score is None else pad(score, (0, right)) for score in known)
    return replace(
        batch,
        prompt_ids=pad(batch.prompt_ids, (left, 0), value=pad_token),
        prompt_mask=pad(batch.prompt_mask, (left, 0)),
        response_ids=pad(batch.response_ids, (0, right), value=pad_token),
        response_mask=pad(batch.response_mask, (0, right)),
        old_log_prob=old,
        reference_log_prob=reference,
        sampler_log_prob=sampler,
        model_inputs={
            name: pad(column, (left, right)) if name in SPANNING_FIELDS and isinstance(column, Tensor) else column
            for name, column in batch.model_inputs.items()
        },
    )


def _with_equal_inputs(batches: Sequence[Batch]) -> list[Batch]:
    """Give batches of text the empty columns of those with pictures."""
    filled = [batch for batch in batches if len(batch)]
    known = {name: column for batch in filled for name, column in batch.model_inputs.items()}
    inputs = [
        {name: batch.model_inputs.get(name, _empty(name, column, batch)) for name, column in known.items()}
        for batch in batches
    ]
    return [replace(batch, model_inputs=given) for batch, given in zip(batches, inputs, strict=True)]


def _empty(name: str, column: Column, batch: Batch) -> Column:
    """The column of rows without a picture: nothing of the kind that another batch's column holds."""
    if isinstance(column, Tensor):
        width = batch.prompt_ids.shape[1] + batch.response_ids.shape[1]
        shape = (width,) if name in SPANNING_FIELDS else column.shape[1:]
        return column.new_zeros(len(batch), *shape)
    first = column[0]
    return [first[:0]] * len(batch) if isinstance(first, Tensor) else [0] * len(batch)


def _joined(columns: Sequence[Any]) -> Any:  # noqa: ANN401 - columns of any kind
    first = columns[0]
    if isinstance(first, Tensor):
        return torch.cat([column.to(first.dtype) for column in columns])
    if isinstance(first, Mapping):
        return {name: _joined([column[name] for column in columns]) for name in first}
    return None if first is None else [entry for column in columns for entry in column]


def chunks(items: Sequence[Item], count: int) -> list[list[Item]]:
    """Cut a sequence into ``count`` runs whose lengths differ by at most one; the first are the longer ones.

    Args:
        items: What to cut, in order.
        count: Number of runs, empty ones included.

    Returns:
        The runs.

    Example:
        >>> chunks([0, 1, 2, 3, 4], 3)
        [[0, 1], [2, 3], [4]]
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


def group_count(batches: Sequence[Batch]) -> int:
    """Groups in several batches together, each with its own ids."""
    return sum(len(set(batch.group.tolist())) for batch in batches)


def first_groups(batches: Sequence[Batch], wanted: int, *, pad_token: int) -> Batch:
    """The first groups of several batches, below each other and numbered from 0 without gaps.

    Args:
        batches: At least one, each with its own group ids.
        wanted: Groups at most.
        pad_token: As in :func:`join`.

    Returns:
        A new batch.
    """
    renumbered, start, rows = [], 0, 0
    for batch in batches:
        ids, dense = torch.unique(batch.group, return_inverse=True)
        renumbered.append(replace(batch, group=dense + start, row_id=batch.row_id + rows))
        start += len(ids)
        rows += max(batch.row_id.tolist(), default=-1) + 1
    joined = join(renumbered, pad_token=pad_token)
    surplus = joined.group >= wanted
    return joined.take((~surplus).nonzero().flatten().tolist()) if surplus.any() else joined


def gather_rollouts(parts: Sequence[Rollouts] | None) -> list[list[Rollouts]] | None:
    """Every process's rollouts on the CPU, without gradient and with groups told apart.

    Args:
        parts: This process's; they may be none. None says that they cannot be used.

    Returns:
        One list for each process; None on all of them where it is None on one.
    """
    everyone: list[list[Rollouts] | None] = gather_object(
        [parts if parts is None else [_on_cpu(part) for part in parts]]
    )
    usable = [process for process in everyone if process is not None]
    if len(usable) < len(everyone):
        return None
    start, found = 0, []
    for process in usable:
        found.append([replace(part, group=part.group + start) for part in process])
        start += max((int(part.group.max()) + 1 for part in process), default=0)
    return found


def _on_cpu(rollouts: Rollouts) -> Rollouts:
    columns = {name: values.detach().cpu() for name, values in _columns(rollouts).items()}
    return Rollouts(**columns)  # type: ignore[arg-type]  # every field is a tensor


def _columns(rollouts: Rollouts) -> dict[str, Tensor]:
    values = {item.name: getattr(rollouts, item.name) for item in fields(rollouts)}
    return {name: column for name, column in values.items() if column is not None}


def join_rollouts(parts: Sequence[Rollouts]) -> Rollouts:
    """Several rollouts below each other, padded to the longest response.

    Args:
        parts: At least one, with group ids that are theirs together.

    Returns:
        New rollouts.
    """
    time = max(part.mask.shape[1] for part in parts)
    padded = [
        {name: pad(c, (0, time - c.shape[1])) if c.ndim == 2 else c for name, c in _columns(part).items()}
        for part in parts
    ]
    columns = {name: torch.cat([part[name] for part in padded]) for name in padded[0]}
    return Rollouts(**columns)  # type: ignore[arg-type]  # every field is a tensor
