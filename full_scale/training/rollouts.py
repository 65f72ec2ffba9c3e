"""What an update is made of: sampled responses, the experts' rows beside them, and which of them take part."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor, nn
from trl.trainer.utils import pad, unsplit_pixel_values_by_grid

from calibrl_ref import Objective
from full_scale.training.batching import SPANNING_FIELDS, Batch, first_groups, group_count
from full_scale.training.encoding import Encoding
from full_scale.training.rows import Expert, Row


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Groups for an update.

    Attributes:
        rows: Theirs.
        rounds: How often prompts were sampled.
        dropped_groups: Groups of all processes that were sampled in vain, or for which there was no room.
    """

    rows: Batch
    rounds: int
    dropped_groups: int


def as_batch(
    columns: Mapping[str, Any],
    prompts: Sequence[Row],
    encoding: Encoding,
    *,
    reward: Tensor,
    correct: Tensor,
    group_size: int,
) -> Batch:
    """TRL's rollouts, each row with its own pictures.

    Args:
        columns: What TRL's trainer makes of the prompts.
        prompts: The training rows, one per response.
        encoding: What the processor makes of the prompts, each once.
        reward: Of each response, [rows].
        correct: The verifier's verdict, [rows].
        group_size: Responses of a prompt.

    Returns:
        On-policy rows; advantages are still 0.
    """
    row = torch.arange(len(prompts)).to(reward.device)
    group = row // group_size
    widths = columns["prompt_ids"].shape[1], columns["completion_ids"].shape[1]
    return Batch(
        problem=[row["problem"].id for row in prompts],
        prompt_ids=columns["prompt_ids"],
        prompt_mask=columns["prompt_mask"],
        response_ids=columns["completion_ids"],
        response_mask=columns["completion_mask"],
        group=group,
        row_id=row + PartialState().process_index * len(prompts),
        is_expert=torch.zeros_like(correct),
        correct=correct,
        reward=reward,
        advantage=torch.zeros_like(reward),
        old_log_prob=columns.get("old_per_token_logps"),
        reference_log_prob=columns.get("ref_per_token_logps"),
        sampler_log_prob=columns.get("sampling_per_token_logps"),
        model_inputs=encoding.model_inputs(group.tolist(), *widths),
    )


def inputs_of(columns: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """What the model reads of some rows beside their tokens.

    Args:
        columns: Of all rows, each row with its own pictures.
        rows: Row numbers.

    Returns:
        Pictures one behind the other; none of their columns where the rows have no picture.
    """
    counts = columns.get("num_images")
    bare = counts is not None and not any(counts[row] for row in rows)
    kept = {name: column for name, column in columns.items() if name in SPANNING_FIELDS or not bare}
    taken = {
        name: column[rows] if isinstance(column, Tensor) else [column[row] for row in rows]
        for name, column in kept.items()
    }
    return unsplit_pixel_values_by_grid(taken)


def expert_rows(batch: Batch, experts: Sequence[Expert | None], *, pad_token: int) -> Batch:
    """One row for each group: same prompt and pictures, the expert's tokens, reward and verdict.

    Args:
        batch: The sampled rows, group by group.
        experts: One for each group; where there is none its row is a single padding token, to be left out later.
        pad_token: Of the tokenizer.

    Returns:
        A batch of as many rows as groups; older log-probabilities are 0.
    """
    rows = batch.take(range(0, len(batch), len(batch) // len(experts)))
    ids = [batch.group.new_tensor([pad_token] if expert is None else expert.ids) for expert in experts]
    response_ids = pad(ids, padding_value=pad_token)
    width = rows.prompt_ids.shape[1] + response_ids.shape[1]
    unscored = torch.zeros_like(response_ids).float()  # no term compares an expert with these policies
    sampled, first = PartialState().num_processes * len(batch), PartialState().process_index * len(experts)
    spanning = {name: resized(column, width) for name, column in rows.model_inputs.items() if name in SPANNING_FIELDS}  # type: ignore[arg-type]  # these columns are tensors
    return replace(
        rows,
        row_id=batch.group.new_tensor(range(sampled + first, sampled + first + len(experts))),
        response_ids=response_ids,
        response_mask=pad([torch.ones_like(row) for row in ids], padding_value=0),
        is_expert=torch.ones_like(rows.is_expert),
        correct=batch.correct.new_tensor([expert is not None and expert.correct for expert in experts]),
        reward=batch.reward.new_tensor([0.0 if expert is None else expert.reward for expert in experts]),
        old_log_prob=None if rows.old_log_prob is None else unscored,
        reference_log_prob=None if rows.reference_log_prob is None else unscored,
        sampler_log_prob=None if rows.sampler_log_prob is None else unscored,
        model_inputs={**rows.model_inputs, **spanning},
    )


def resized(column: Tensor, width: int) -> Tensor:
    """Cut a [rows, time] tensor on the right, or pad it there with 0.

    Args:
        column: The tensor.
        width: New length of the time dimension.

    Returns:
        A [rows, width] tensor.

    Example:
        >>> resized(torch.tensor([[1, 2]]), 3), resized(torch.tensor([[1, 2]]), 1)
        (tensor([[1, 2, 0]]), tensor([[1]]))
    """
    return torch.nn.functional.pad(column[:, :width], (0, max(0, width - column.shape[1])))


def pruned(batch: Batch, objective: Objective) -> Batch:
    """The rows that the objective keeps, with its advantages.

    Args:
        batch: Whole groups, their experts included.
        objective: What will be minimised.

    Returns:
        Whole groups, or what the objective leaves of them.
    """
    length = batch.response_mask.sum(dim=1)
    reward = torch.where(batch.is_expert, batch.reward, objective.shape_reward(batch.reward, length))
    advantage = objective.advantage(reward, batch.group, batch.is_expert)
    keep = objective.keep(reward, advantage, batch.group, batch.is_expert, batch.correct)
    return replace(batch, reward=reward, advantage=advantage).take(keep.nonzero().flatten().tolist())


@contextmanager
def finite_logits(model: nn.Module) -> Iterator[list[bool]]:
    """Let a model sample although some of its logits are not finite, and tell that they were not.

    The sampler fails at such logits, on a GPU beyond repair. With 0 in their place it gives responses that must not
    be learnt from.

    Args:
        model: The policy, not wrapped.

    Yields:
        A list, which is filled at the end if there was such a logit.
    """
    found: list[Tensor] = []
    spoilt: list[bool] = []

    def replace_logits(_module: nn.Module, _inputs: object, output: Any) -> None:  # noqa: ANN401  # a ModelOutput
        """Note whether a logit is not finite, and put 0 in its place."""
        found.append((~output.logits.isfinite()).any())
        output.logits = output.logits.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)

    handle = model.register_forward_hook(replace_logits)
    try:
        yield spoilt
    finally:
        handle.remove()
    if found and bool(torch.stack(found).any()):
        spoilt.append(True)


def sample_groups(
    sample: Callable[[list[Row]], Batch],
    prompts: list[Row],
    further: Callable[[int, int], list[Row]],
    *,
    group_size: int,
    rounds: int,
    pad_token: int,
) -> Sampling:
    """Groups of the given prompts, and of further ones in place of those that the objective drops.

    Args:
        sample: Gives the rows that are kept of the groups of some prompts.
        prompts: ``group_size`` times each.
        further: Gives the rows of so many further prompts, after so many that were drawn before by all processes.
        group_size: Responses of a prompt.
        rounds: How often prompts may be sampled, the first time included.
        pad_token: Of the tokenizer.

    Returns:
        The groups, of each process as many as it was given prompts, if the rounds sufficed.
    """
    processes, wanted, drawn = PartialState().num_processes, len(prompts) // group_size, 0
    found = [sample(prompts)]
    while len(found) < rounds and (missing := _most_missing(found, wanted)):
        found.append(sample(further(missing, drawn)))
        drawn += missing * processes
    groups = sum(gather_object([group_count(found)]))
    rows = first_groups(found, wanted, pad_token=pad_token)
    return Sampling(rows=rows, rounds=len(found), dropped_groups=wanted * processes + drawn - groups)


def _most_missing(found: Sequence[Batch], wanted: int) -> int:
    """Groups that the process with the fewest lacks; every process generates as many, as TRL gathers rows."""
    missing: list[int] = gather_object([max(0, wanted - group_count(found))])
    return max(missing)
