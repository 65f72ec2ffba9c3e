"""A prompt is read once for all responses to it, and the numbers are those of reading it once for each.

**Scoring.** All prompts and responses stand one behind the other in one sequence without padding: first each prompt but
for its last token, then for each response that last token and the response but for its own last. So each response's
tokens are predicted at its own places, also the first one. Positions go on where the prompt's end. Everything in a
model but its attention treats each token alone; :func:`shared_attention` lets the prompts attend to themselves, and
each response to its prompt and itself. The model is called once, in the ordinary way.

**Sampling.** The prompts fill the key-value cache, which is then repeated for each response (:func:`generate_shared`).
From there :mod:`full_scale.model.decoding` saves what it can.

PrefixGrouper (arXiv 2506.05433) does the former by two attentions in code of its own for each model.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import AttentionInterface, AttentionMaskInterface, GenerationConfig, LogitsProcessorList
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import PreTrainedModel

from cli.names import check_choice
from full_scale.model.decoding import cheap_decoding

logger = logging.getLogger(__name__)

CHOICES = ("auto", "on", "off")
ATTENTION = "shared_prompt"
"""The attention's name in transformers; without a :class:`Layout` it is ``sdpa``."""
ARCHITECTURES = ("internvl", "llama", "qwen2", "qwen2_5_vl", "qwen3", "qwen3_vl")
"""Models (``model_type``) for which tests compare it with reading the prompt once for each response."""
LANGUAGE_MODELS = ("llama", "qwen2", "qwen2_5_vl_text", "qwen3", "qwen3_vl_text")
"""What may be inside of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieces:
    """Pieces of a sequence as a table: one row for each, padded on the right.

    Attributes:
        index: Place of each token in the sequence, [pieces, longest]; any place where ``mask`` is False.
        mask: Whether there is a token, [pieces, longest].
    """

    index: Tensor
    mask: Tensor

    @classmethod
    def of(cls, lengths: Tensor, *, start: int) -> "Pieces":
        """Pieces of the given lengths that stand one behind the other.

        Args:
            lengths: Tokens of each piece, [pieces].
            start: Place of the first one's first token.

        Returns:
            Their table.
        """
        time = torch.arange(max(int(lengths.max()), 1), device=lengths.device)  # a kernel takes no empty table
        mask = time < lengths.unsqueeze(1)
        first = start + lengths.cumsum(0) - lengths
        return cls(index=(first.unsqueeze(1) + time).where(mask, 0), mask=mask)

    def table(self, sequence: Tensor) -> Tensor:
        """The pieces' rows of a [places, ...] tensor, [pieces, longest, ...]."""
        return sequence.index_select(0, self.index.flatten()).view(*self.index.shape, *sequence.shape[1:])

    def sequence(self, table: Tensor) -> Tensor:
        """The tokens of a [pieces, longest, ...] tensor one behind the other, [tokens, ...]."""
        return table.flatten(0, 1).index_select(0, self.mask.flatten().nonzero().flatten())


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where prompts and responses stand in the sequence.

    Attributes:
        prompts: The prompts, each but for its last token.
        responses: The responses, each behind its prompt's last token and without its own.
        prompt_of: Number of each response's prompt, [responses].
    """

    prompts: Pieces
    responses: Pieces
    prompt_of: Tensor

    def attention_mask(self) -> Tensor:
        """What a response's token attends to, [responses, 1, time, longest prompt + time]."""
        time = self.responses.mask.shape[1]
        own = torch.ones(time, time, dtype=torch.bool, device=self.prompt_of.device).tril()
        prompt = self.prompts.mask[self.prompt_of].unsqueeze(1).expand(-1, time, -1)
        return torch.cat([prompt, own.expand(len(prompt), -1, -1)], dim=2).unsqueeze(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """Prompts and responses as one sequence.

    Attributes:
        input_ids: [1, places].
        position_ids: [1, places], or [axes, 1, places] where the model has several.
        next_ids: The response's token that is predicted at each place, -100 at prompts, [1, places].
        layout: Where what stands.
        time: Width of the responses' table, with its padding.
    """

    input_ids: Tensor
    position_ids: Tensor
    next_ids: Tensor
    layout: Layout
    time: int

    def model_inputs(self) -> dict[str, Any]:
        """What the model's forward reads beside the pictures of the prompts."""
        return {
            "input_ids": self.input_ids,
            "position_ids": self.position_ids,
            "attention_mask": self.layout.attention_mask(),  # of four dimensions, which transformers hands on as it is
            ATTENTION: self.layout,
        }

    def by_response(self, values: Tensor) -> Tensor:
        """A [1, places] tensor as [responses, time], 0 where there is no token."""
        responses = self.layout.responses
        found = responses.table(values[0]).where(responses.mask, 0.0)
        return pad(found, (0, self.time - found.shape[1]))


def pack(
    prompt_ids: Tensor,
    prompt_mask: Tensor,
    positions: Tensor,
    response_ids: Tensor,
    response_mask: Tensor,
    prompt_of: Tensor,
) -> Packed:
    """Prompts and responses as one sequence without padding.

    Args:
        prompt_ids: Token ids of each prompt once, padded on the left, [prompts, time].
        prompt_mask: 1 at their tokens, [prompts, time].
        positions: Of the prompts' tokens, [axes, prompts, time].
        response_ids: Token ids, padded on the right, [responses, time].
        response_mask: 1 at their tokens, [responses, time].
        prompt_of: Number of each response's prompt, [responses].

    Returns:
        The sequence.
    """
    before, there = prompt_mask[:, :-1].bool(), response_mask.bool()
    ids = torch.cat([prompt_ids[prompt_of, -1:], response_ids[:, :-1]], dim=1)
    later = torch.arange(response_ids.shape[1], device=positions.device)
    place = torch.cat([positions[:, :, :-1][:, before], (positions[:, prompt_of, -1:] + later)[:, there]], dim=1)
    prompts = Pieces.of(before.sum(dim=1), start=0)
    start = int(before.sum())
    return Packed(
        input_ids=torch.cat([prompt_ids[:, :-1][before], ids[there]]).unsqueeze(0),
        position_ids=place if len(place) == 1 else place.unsqueeze(1),
        next_ids=pad(response_ids[there], (start, 0), value=-100).unsqueeze(0),
        layout=Layout(prompts=prompts, responses=Pieces.of(there.sum(dim=1), start=start), prompt_of=prompt_of),
        time=response_mask.shape[1],
    )


def prompt_positions(
    model: PreTrainedModel, prompt_ids: Tensor, prompt_mask: Tensor, inputs: Mapping[str, Any]
) -> Tensor:
    """Where a model sees the tokens of prompts.

    Args:
        model: The model, not wrapped.
        prompt_ids: [prompts, time].
        prompt_mask: 1 at their tokens, [prompts, time].
        inputs: Pictures and token types of the prompts, under the names of the model's forward.

    Returns:
        Positions, [axes, prompts, time]: one axis for text, three where a model sees pictures in two dimensions.
    """
    by_picture = getattr(model.base_model, "get_rope_index", None)
    if by_picture is None or inputs.get("image_grid_thw") is None:
        return (prompt_mask.long().cumsum(dim=1) - 1).clamp(min=0).unsqueeze(0)
    kinds = inputs["mm_token_type_ids"]
    positions, _ = by_picture(
        prompt_ids, mm_token_type_ids=kinds, image_grid_thw=inputs["image_grid_thw"], attention_mask=prompt_mask
    )
    return cast(Tensor, positions)


def shared_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shared_prompt: Layout | None = None,
    **options: Any,  # noqa: ANN401  # as transformers calls it
) -> tuple[Tensor, None]:
    """Transformers' attention by PyTorch's kernel; with a layout, prompts to themselves, responses to prompt and self.

    Args:
        module: The attention's module.
        query: [batch, heads, time, width].
        key: [batch, key heads, time, width].
        value: As the keys.
        attention_mask: As transformers gives it; with a layout, its mask.
        shared_prompt: The layout; then the batch is 1, and the time its places.
        options: Of ``sdpa``.

    Returns:
        [batch, time, heads, width], and None for the weights.
    """
    attend: Callable[..., tuple[Tensor, None]] = partial(sdpa_attention_forward, module, **options)
    if shared_prompt is None:
        return attend(query, key, value, attention_mask)
    prompts, responses = shared_prompt.prompts, shared_prompt.responses
    by_place = [states[0].transpose(0, 1) for states in (query, key, value)]
    asked, keys, values = (prompts.table(states).transpose(1, 2) for states in by_place)
    read, _ = attend(asked, keys, values, None)  # causal: the padding stands behind
    wanted, own_keys, own_values = (responses.table(states).transpose(1, 2) for states in by_place)
    all_keys = torch.cat([keys.index_select(0, shared_prompt.prompt_of), own_keys], dim=2)
    all_values = torch.cat([values.index_select(0, shared_prompt.prompt_of), own_values], dim=2)
    written, _ = attend(wanted, all_keys, all_values, attention_mask)
    return torch.cat([prompts.sequence(read), responses.sequence(written)]).unsqueeze(0), None


AttentionInterface.register(ATTENTION, shared_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def obstacle(model: PreTrainedModel) -> str | None:
    """Why a model cannot share prompts.

    Args:
        model: The model, not wrapped.

    Returns:
        What stands against it; None where nothing does.
    """
    text = model.config.get_text_config()
    kinds = sorted(set(getattr(text, "layer_types", None) or []) - {"full_attention"})
    if model.config.model_type not in ARCHITECTURES or text.model_type not in (*ARCHITECTURES, *LANGUAGE_MODELS):
        return f"its architecture, {model.config.model_type}, is not among those compared: {', '.join(ARCHITECTURES)}"
    if text._attn_implementation not in ("sdpa", ATTENTION):
        return f"its attention is {text._attn_implementation}, and sdpa is needed"
    return f"it has layers of {', '.join(kinds)}" if kinds else None


def allow_sharing(model: PreTrainedModel) -> None:
    """Let a model's attention share prompts where it is given a layout; what it does without one stays as it is.

    Args:
        model: One without :func:`obstacle`; changed in place.
    """
    model.config.get_text_config()._attn_implementation = ATTENTION


def shares_prompts(choice: str, *models: PreTrainedModel) -> bool:
    """Whether prompts are shared; where they are, the models are made ready for it.

    Args:
        choice: "on", "off", or "auto": where the models can.
        models: The policy and its reference, not wrapped.

    Returns:
        Whether they are.

    Raises:
        ValueError: "on", and a model cannot; or there is no such choice.
    """
    check_choice("shared_prompt", choice, CHOICES)
    reason = next((found for model in models if (found := obstacle(model))), None)
    if choice == "on" and reason:
        raise ValueError(
            f"shared_prompt='on': expected a model that can read a group's prompt once, but {reason}. "
            "Fix: --shared-prompt auto."
        )
    if choice == "auto" and reason:
        logger.warning("each response is scored and sampled with a prompt of its own, as of this model %s", reason)
    shared = choice != "off" and reason is None
    for model in models if shared else ():
        allow_sharing(model)
    return shared


def generate_shared(
    generate: Callable[..., Any],
    model: PreTrainedModel,
    *,
    copies: int,
    input_ids: Tensor,
    attention_mask: Tensor,
    generation_config: GenerationConfig,
    logits_processor: LogitsProcessorList | None = None,
    **inputs: Any,  # noqa: ANN401  # pictures and token types
) -> Any:  # noqa: ANN401  # as transformers' generate
    """Responses to prompts whose keys and values are computed once; the same tokens as without sharing.

    Args:
        generate: The model's ``generate``.
        model: The model, not wrapped.
        copies: Responses per prompt.
        input_ids: Each prompt ``copies`` times, padded on the left, [responses, time].
        attention_mask: 1 at their tokens, [responses, time].
        generation_config: How tokens are chosen.
        logits_processor: For the responses.
        inputs: What else the model reads, of each prompt once.

    Returns:
        What ``generate`` gives.

    Raises:
        ValueError: A prompt is not the same ``copies`` times.
    """
    first = input_ids[::copies]
    if not torch.equal(first.repeat_interleave(copies, dim=0), input_ids):
        raise ValueError(f"input_ids: expected each prompt {copies} times in a row. Fix: do not mix groups.")
    reading = GenerationConfig(
        max_new_tokens=1,
        do_sample=False,
        use_cache=True,
        return_dict_in_generate=True,
        pad_token_id=generation_config.pad_token_id,
        eos_token_id=generation_config.eos_token_id,
    )
    read = generate(input_ids=first, attention_mask=attention_mask[::copies], generation_config=reading, **inputs)
    cache = read.past_key_values
    cache.crop(-1)  # generate begins with the last token of the prompt
    cache.batch_repeat_interleave(copies)
    inner = model.base_model
    if getattr(inner, "rope_deltas", None) is not None:
        inner.rope_deltas = cast(Tensor, inner.rope_deltas).repeat_interleave(copies, dim=0)
    ends = [] if generation_config.eos_token_id is None else generation_config.eos_token_id
    with cheap_decoding(inner, cache, torch.tensor(ends, dtype=torch.long, device=input_ids.device)):
        return generate(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=cache,
            generation_config=generation_config,
            logits_processor=logits_processor,
        )


@contextmanager
def sharing_generation(model: PreTrainedModel, copies: int) -> Iterator[None]:
    """Within it ``model.generate`` is told each prompt so many times and reads it once (:func:`generate_shared`).

    Args:
        model: The model, not wrapped; with adapters or without.
        copies: Responses per prompt.
    """
    former = cast(Callable[..., Any], model.generate)
    model.generate = partial(generate_shared, former, without_adapters(model), copies=copies)  # type: ignore[assignment]  # for a while
    try:
        yield
    finally:
        del model.generate


def without_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """The model that PEFT's adapters are in, itself where there are none."""
    inner = getattr(model, "get_base_model", None)
    return model if inner is None else cast(PreTrainedModel, inner())
