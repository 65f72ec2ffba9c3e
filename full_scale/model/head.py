"""The logits that the language model's head holds at once.

TRL's fused head makes the logits tile by tile, in the backward pass anew, and holds one tile. Its tiles of 4,096 tokens
x 32,768 words are made for a GPU's kernel, which works within the tile; elsewhere each operation copies it, and that is
gigabytes for a model of any size.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trl.kernels.chunked_logprob import TOKEN_CHUNK_SIZE
from trl.trainer import utils

CHUNK = 256
"""Tokens whose logits are held at once, unless it is set."""


@contextmanager
def chunked_head(chunk: int, *, places: int, vocabulary: int) -> Iterator[None]:
    """Within it TRL's head holds no more logits than those of ``chunk`` tokens, and passes over padding.

    TRL passes over padding on a GPU alone, as shapes that change are costly for some other device.

    Args:
        chunk: Tokens.
        places: How many tokens are scored at most.
        vocabulary: Logits of a token.

    Raises:
        ValueError: There is no such chunk.
    """
    check_chunk(chunk)
    words = words_at_once(chunk, places, vocabulary)
    told = {"_CHUNKED_LOGPROB_CHUNK_SIZE": words, "_use_triton": lambda _: True}  # both are read by the forward pass
    module: Any = utils
    former = {name: getattr(module, name) for name in told}
    vars(module).update(told)
    try:
        yield
    finally:
        vars(module).update(former)


def words_at_once(chunk: int, places: int, vocabulary: int) -> int:
    """The width of a tile that has no more logits than those of ``chunk`` tokens.

    Args:
        chunk: Tokens.
        places: How many tokens are scored at most.
        vocabulary: Logits of a token.

    Returns:
        Words.

    Example:
        >>> words_at_once(256, 8192, 151_936), words_at_once(256, 100, 300)
        (9496, 300)
    """
    return min(max(chunk * vocabulary // min(places, TOKEN_CHUNK_SIZE), 1), vocabulary)


def check_chunk(chunk: int) -> None:
    """Refuse a chunk without a token.

    Args:
        chunk: Tokens.

    Raises:
        ValueError: It is below 1.
    """
    if chunk < 1:
        raise ValueError(f"head_chunk={chunk}: expected at least 1. Fix: --head-chunk {CHUNK}.")
