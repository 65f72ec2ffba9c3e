"""The trainer's head beside all logits: ``python -m benchmarks heads``.

Log-probabilities and entropies of hidden states, forward and backward. All logits of 8,192 tokens do not fit into the
memory of a small machine: what they take is sixteen times what 512 tokens take, as every tensor grows with the tokens.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from trl.kernels.chunked_logprob import ChunkedLogProbFunction

from benchmarks.core import peak_bytes
from benchmarks.rows import Row, in_turns
from calibrl_ref import token_log_probs_and_entropy
from full_scale.model.head import CHUNK, words_at_once

VOCABULARY, WIDTH = 151_936, 64
"""A vocabulary of today, and a width so small that the logits are nearly all of the work."""
TOKENS, MANY = 512, 8192
"""Of which all logits fit into memory; and of which they do not."""
Head: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Log-probabilities and entropies of hidden states, output matrix and next tokens."""


def head_inputs(tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random hidden states, output matrix and next tokens."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, WIDTH, generator=generator).requires_grad_()
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator).mul_(0.1).requires_grad_()
    return hidden, weight, torch.randint(VOCABULARY, (tokens,), generator=generator)


def all_logits(hidden: Tensor, weight: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies from all logits at once."""
    return token_log_probs_and_entropy(hidden @ weight.T, tokens)


def chunked(hidden: Tensor, weight: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The same as the trainer takes them: TRL's head, in tiles as wide as ``chunked_head`` tells it."""
    words = words_at_once(CHUNK, len(tokens), VOCABULARY)
    outputs = ("log_probs", "entropy")
    log_prob, entropy, *_ = ChunkedLogProbFunction.apply(hidden, weight, None, tokens, 1.0, words, None, 1.0, outputs)
    return log_prob, entropy


def both_ways(head: Head, tokens: int) -> None:
    """One forward and backward pass of a head."""
    log_prob, entropy = head(*head_inputs(tokens))
    torch.autograd.backward(log_prob.sum() + 0.1 * entropy.sum())


def rows(turns: int = 2) -> list[Row]:
    """The trainer's head beside all logits: time at few tokens, memory at many."""
    torch.set_num_threads(1)

    def taken(head: Head) -> float:
        """Processor seconds."""
        start = time.process_time()
        both_ways(head, TOKENS)
        return time.process_time() - start

    ours, theirs = in_turns(lambda: taken(chunked), lambda: taken(all_logits), turns)
    peak = peak_bytes(lambda: both_ways(chunked, MANY)) / 2**20
    plain = MANY / TOKENS * peak_bytes(lambda: both_ways(all_logits, TOKENS)) / 2**20
    return [
        Row.of(f"vocabulary {VOCABULARY:,}, {TOKENS} tokens", "s", ours, peer="all logits", theirs=theirs, bar=1.5),
        Row.of(
            f"vocabulary {VOCABULARY:,}, {MANY:,} tokens: peak",
            "MiB",
            [peak],
            peer=f"all logits ({MANY // TOKENS} x {TOKENS})",
            theirs=[plain],
            bar=1 / 8,
        ),
    ]
