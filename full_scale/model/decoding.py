"""What a response's next token need not cost: a copy of all former keys and values, and the tokens after an end.

Transformers' own cache copies itself for every token, and ``generate`` goes on computing responses that have ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache, DynamicLayer

ROOM = 64
"""Tokens that there is room for when the keys and values are copied."""
MOST_LEFT = 0.75
"""Share of the computed responses that are still written, at most, when the others leave: leaving copies the rest."""


class GrowingLayer(DynamicLayer):
    """Keys and values at the beginning of tensors with room for more tokens.

    Args:
        keys: From which it goes on, [responses, heads, time, width].
        values: As the keys.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # transformers annotates nothing
        self.lazy_initialization(keys, values)
        self.keys, self.values = self._rooms = keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Write new keys and values behind the others.

        Args:
            key_states: [responses, heads, new time, width].
            value_states: As the keys.

        Returns:
            All keys and all values.
        """
        start, new = self.keys.shape[-2], key_states.shape[-2]
        moved = self.keys.data_ptr() != self._rooms[0].data_ptr()  # there are other responses now
        if moved or start + new > self._rooms[0].shape[-2]:
            self._rooms = _with_room(self.keys, max(new, ROOM)), _with_room(self.values, max(new, ROOM))
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., start : start + new, :] = states
        self.keys, self.values = (room[..., : start + new, :] for room in self._rooms)
        return self.keys, self.values


def _with_room(states: Tensor, tokens: int) -> Tensor:
    return pad(states, (0, 0, 0, tokens))


class Unended:
    """Calls a model for the responses that have not ended; to the caller the others are there, with states of 0.

    Args:
        cache: Of all responses, up to the last token of their prompts; changed in place.
        responses: How many there are.
        ends: Ids of the tokens that end a response.
    """

    def __init__(self, cache: DynamicCache, responses: int, ends: Tensor) -> None:
        self._cache, self._ends, self._begun = cache, ends, False
        self._ended = torch.zeros(responses, dtype=torch.bool, device=ends.device)
        self._computed = torch.arange(responses, device=ends.device)

    def before(self, _module: nn.Module, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401  # a hook
        """Before a call: leave out what has ended."""
        if self._begun:  # the first call reads the prompts' last tokens
            self._ended |= torch.isin(named["input_ids"][:, -1], self._ends)
        self._begun = True
        left = ~self._ended[self._computed]
        left[0] |= ~left.any()  # where processes share a model, each goes on calling it
        if int(left.sum()) <= MOST_LEFT * len(left):
            self._computed = self._computed[left]
            self._cache.batch_select_indices(left)
        axes = {"input_ids": 0, "attention_mask": 0, "position_ids": -2}
        there = {name: axis for name, axis in axes.items() if named.get(name) is not None}
        return given, named | {name: named[name].index_select(axis, self._computed) for name, axis in there.items()}

    def after(self, _module: nn.Module, _given: object, output: Any) -> None:  # noqa: ANN401  # a ModelOutput
        """After a call: give every response a row again."""
        states = output.last_hidden_state
        whole = states.new_zeros(len(self._ended), *states.shape[1:])
        output.last_hidden_state = whole.index_copy_(0, self._computed, states)


@contextmanager
def cheap_decoding(model: nn.Module, cache: DynamicCache, ends: Tensor) -> Iterator[None]:
    """Within it a cache grows in place, and a model computes responses up to their ends.

    Args:
        model: What turns token ids into hidden states.
        cache: Its keys and values of all responses, up to the last token of their prompts; changed in place.
        ends: Ids of the tokens that end a response.
    """
    held = [(cast(Tensor, layer.keys), cast(Tensor, layer.values)) for layer in cast(list[DynamicLayer], cache.layers)]
    cache.layers = [GrowingLayer(*states) for states in held]
    unended = Unended(cache, len(held[0][0]), ends)
    handles = (
        model.register_forward_pre_hook(unended.before, with_kwargs=True),
        model.register_forward_hook(unended.after),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
