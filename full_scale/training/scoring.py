"""Log-probabilities and entropies of a batch's responses, each group's prompt read once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from full_scale.model.shared_prompt import pack, prompt_positions
from full_scale.training.batching import SPANNING_FIELDS, Batch
from full_scale.training.rollouts import inputs_of

COUNTS = ("num_images", "num_tiles")
"""What TRL keeps beside pictures, and no model reads."""


def shared_scores(
    call: Callable[..., Any], model: PreTrainedModel, rows: Batch, *, with_entropy: bool
) -> tuple[Tensor, Tensor | None]:
    """Teacher-forced log-probability and entropy of each response token.

    Args:
        call: The model as it is called, wrapped or not, with TRL's fused head.
        model: The model itself, with an attention that shares prompts.
        rows: Prompts and responses; a group may be a part of one.
        with_entropy: Whether the head gives entropies.

    Returns:
        Both, [rows, time], in nats; 0 at padding.

    Raises:
        ValueError: The rows of a group have different prompts or pictures.
    """
    first, prompt_of = prompts_of(rows)
    inputs = inputs_of(rows.model_inputs, first)
    prompt_ids, prompt_mask = rows.prompt_ids[first], rows.prompt_mask[first]
    spanning = {name: inputs.pop(name)[:, : prompt_ids.shape[1]] for name in SPANNING_FIELDS if name in inputs}
    positions = prompt_positions(model, prompt_ids, prompt_mask, inputs | spanning)
    packed = pack(prompt_ids, prompt_mask, positions, rows.response_ids, rows.response_mask, prompt_of)
    pictures = {name: column for name, column in inputs.items() if name not in COUNTS}
    found = call(**packed.model_inputs(), **pictures, shift_labels=packed.next_ids, fused_lm_head=True)
    return packed.by_response(found.log_probs), packed.by_response(found.entropy) if with_entropy else None


def prompts_of(rows: Batch) -> tuple[list[int], Tensor]:
    """The prompts of a batch, one for each group.

    Args:
        rows: Prompts and responses.

    Returns:
        The first row of each group, and each row's place among these, [rows].

    Raises:
        ValueError: The rows of a group have different prompts or pictures.
    """
    _, prompt_of = torch.unique(rows.group, return_inverse=True)
    numbers = prompt_of.tolist()
    first = [numbers.index(number) for number in range(max(numbers) + 1)]
    same = (rows.prompt_ids == rows.prompt_ids[first][prompt_of]).all(dim=1)
    same &= (rows.prompt_mask == rows.prompt_mask[first][prompt_of]).all(dim=1)
    for row, number in enumerate(numbers):
        if not same[row] or not _same_pictures(rows, row, first[number]):
            raise ValueError(
                f"row {row} ({rows.problem[row]}): expected the prompt and pictures of row {first[number]}, "
                f"as both are of group {int(rows.group[row])}. Fix: number the groups by their prompts."
            )
    return first, prompt_of


def _same_pictures(rows: Batch, row: int, other: int) -> bool:
    columns = [column for name, column in rows.model_inputs.items() if name not in SPANNING_FIELDS]
    return all(_same(column[row], column[other]) for column in columns)


def _same(mine: Any, theirs: Any) -> bool:  # noqa: ANN401  # a tensor or a number
    return bool(mine is theirs or (torch.equal(mine, theirs) if isinstance(mine, Tensor) else mine == theirs))
