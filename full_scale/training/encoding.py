"""What the processor makes of the prompts of a sampling, each once however many responses it gets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from full_scale.training.batching import PICTURE_FIELDS, SPANNING_FIELDS, Column

Tokenize: TypeAlias = Callable[[list[Any]], tuple[list[list[int]], list[Any] | None, Mapping[str, Any]]]
"""TRL's: token ids of prompts, the pictures of each, and what else the model reads."""


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Prompts as the model reads them.

    Attributes:
        ids: Token ids of each.
        pictures: Pictures of each, as they were given.
        inputs: What the model reads of each beside its tokens; nothing where no prompt has a picture.
    """

    ids: list[list[int]]
    pictures: list[list[Any]]
    inputs: list[dict[str, Tensor]]

    @property
    def counts(self) -> list[int]:
        """Number of pictures of each prompt."""
        return [len(pictures) for pictures in self.pictures]

    def names(self) -> list[str]:
        """What the model reads of any of the prompts."""
        return list(dict.fromkeys(name for inputs in self.inputs for name in inputs))

    def generation_inputs(self, copies: int) -> dict[str, Any]:
        """What ``generate`` reads beside tokens, as TRL hands it over.

        Args:
            copies: How often each prompt counts.

        Returns:
            Pictures one behind the other; a list of lists for what belongs to single tokens.
        """
        repeated = [inputs for inputs in self.inputs for _ in range(copies)]
        found: dict[str, Any] = {}
        for name in self.names():
            columns = [inputs[name] for inputs in repeated if name in inputs]
            found[name] = [column.tolist() for column in columns] if name in SPANNING_FIELDS else torch.cat(columns)
        return found

    def model_inputs(self, prompts: Sequence[int], prompt_width: int, response_width: int) -> dict[str, Column]:
        """What a forward pass reads of rows beside their tokens.

        Args:
            prompts: Number of each row's prompt.
            prompt_width: Tokens of the longest prompt.
            response_width: Tokens of the longest response.

        Returns:
            One entry for each row; rows of one prompt share theirs.
        """
        if not any(self.counts):
            return {}
        counts: dict[str, Column] = {"num_images": [self.counts[number] for number in prompts]}
        if tiles := self._tiles():
            counts["num_tiles"] = [tiles[number] for number in prompts]
        return counts | {
            name: self._spanning(name, prompts, prompt_width, response_width)
            if name in SPANNING_FIELDS
            else self._by_row(name, prompts)
            for name in self.names()
        }

    def _by_row(self, name: str, prompts: Sequence[int]) -> list[Tensor]:
        filled = next(inputs[name] for inputs in self.inputs if name in inputs)
        return [self.inputs[number].get(name, filled[:0]) for number in prompts]

    def _spanning(self, name: str, prompts: Sequence[int], prompt_width: int, response_width: int) -> Tensor:
        rows = [self.inputs[number].get(name) for number in range(len(self.inputs))]
        ends = [torch.zeros(0, dtype=torch.long) if row is None else row for row in rows]
        padded = torch.stack([pad(row, (prompt_width - len(row), response_width)) for row in ends])
        return padded[list(prompts)]

    def _tiles(self) -> list[int] | None:
        """Tiles of each prompt where the processor cuts pictures into a number of tiles; as TRL knows them."""
        sizes = [len(inputs["pixel_values"]) if "pixel_values" in inputs else 0 for inputs in self.inputs]
        cut = [inputs["pixel_values"].ndim == 4 for inputs in self.inputs if "pixel_values" in inputs]
        return sizes if "spatial_shapes" in self.names() or (any(cut) and sizes != self.counts) else None


def encode(tokenize: Tokenize, prompts: Iterable[Any], device: torch.device) -> Encoding:
    """Let the processor read each prompt once, and alone, so that what belongs to it is known.

    Args:
        tokenize: TRL's.
        prompts: Conversations with their pictures.
        device: Where the model reads.

    Returns:
        The encoding.
    """
    ids, pictures, inputs = [], [], []
    for prompt in prompts:
        (tokens,), images, fields = tokenize([prompt])
        ids.append(list(tokens))
        pictures.append(list(images[0]) if images and images[0] else [])
        inputs.append({name: _tensor(name, value).to(device) for name, value in fields.items() if _is_read(name)})
    seen = any(pictures)
    return Encoding(ids=ids, pictures=pictures, inputs=inputs if seen else [{} for _ in ids])


def _is_read(name: str) -> bool:
    return name in PICTURE_FIELDS or name in SPANNING_FIELDS


def _tensor(name: str, value: Any) -> Tensor:  # noqa: ANN401  # a tensor, an array, or lists of them
    found = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    return found[0] if name in SPANNING_FIELDS else found
