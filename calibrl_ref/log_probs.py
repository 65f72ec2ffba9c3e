"""Log-probabilities and entropies of tokens, from logits or from hidden states, and of whole responses."""

import functools
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from calibrl_ref._checks import (
    bad_value,
    check_bool,
    check_count,
    check_float,
    check_integer,
    check_range,
    check_same_shape,
    precise,
)


def token_log_probs(
    logits: Float[Tensor, "*batch vocab"], tokens: Int[Tensor, "*batch"], *, temperature: float = 1.0
) -> Float[Tensor, "*batch"]:
    """Log-probability of each token: ``log softmax(logits / temperature)[token]``.

    Accumulates in float32 where the logits are bf16 or fp16 (float64 stays float64).

    Args:
        logits: scores of the vocabulary, already aligned with ``tokens`` (position t predicts token t).
        tokens: token ids.
        temperature: the sampling temperature, above 0.

    Returns:
        Log-probabilities in nats, the shape of ``tokens``.

    Raises:
        ValueError: the shapes do not fit, a token is outside the vocabulary, or ``temperature`` is not positive.
        TypeError: ``tokens`` are not integers.

    Example:
        >>> token_log_probs(torch.zeros(1, 2, 4), torch.tensor([[0, 3]]))
        tensor([[-1.3863, -1.3863]])
    """
    _check_tokens(logits, tokens)
    return _gather(_log_softmax(logits, temperature), tokens)


def token_entropy(logits: Float[Tensor, "*batch vocab"], *, temperature: float = 1.0) -> Float[Tensor, "*batch"]:
    """Entropy of the next-token distribution: ``-sum_v p_v log p_v`` with ``p = softmax(logits / temperature)``.

    Args:
        logits: scores of the vocabulary at each position. ``-inf`` marks an impossible token (it contributes 0).
        temperature: the sampling temperature, above 0.

    Returns:
        Entropy in nats, between 0 and log(vocab).

    Raises:
        ValueError: ``temperature`` is not positive.

    Example:
        >>> token_entropy(torch.zeros(1, 4))
        tensor([1.3863])
    """
    return _entropy(_log_softmax(logits, temperature))


def token_log_probs_and_entropy(
    logits: Float[Tensor, "*batch vocab"], tokens: Int[Tensor, "*batch"], *, temperature: float = 1.0
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Both of ``token_log_probs`` and ``token_entropy`` from one softmax.

    Args:
        logits: scores of the vocabulary at each position.
        tokens: token ids.
        temperature: the sampling temperature, above 0.

    Returns:
        Log-probabilities and entropies in nats, each of the shape of ``tokens``.

    Raises:
        ValueError: the shapes do not fit, a token is outside the vocabulary, or ``temperature`` is not positive.
        TypeError: ``tokens`` are not integers.

    Example:
        >>> log_prob, entropy = token_log_probs_and_entropy(torch.zeros(1, 2), torch.tensor([1]))
        >>> bool(torch.allclose(log_prob, -entropy))
        True
    """
    _check_tokens(logits, tokens)
    log_probs = _log_softmax(logits, temperature)
    return _gather(log_probs, tokens), _entropy(log_probs)


def chunked_token_log_probs(
    hidden: Float[Tensor, "rows time width"],
    weight: Float[Tensor, "vocab width"],
    tokens: Int[Tensor, "rows time"],
    *,
    chunk_size: int = 1024,
    temperature: float = 1.0,
) -> Float[Tensor, "rows time"]:
    """``token_log_probs(hidden @ weight.T, tokens)`` without ever holding all logits.

    Positions are processed in chunks and each chunk's logits are recomputed in the backward pass, so at most
    ``chunk_size * vocab`` logits are alive.

    Args:
        hidden: the last hidden states, aligned with ``tokens``.
        weight: the language-model head.
        tokens: token ids.
        chunk_size: positions at a time.
        temperature: the sampling temperature, above 0.

    Returns:
        Log-probabilities in nats.

    Raises:
        ValueError: ``chunk_size`` is below 1, or as ``token_log_probs``.
        TypeError: a wrong dtype.

    Example:
        >>> hidden, head, tokens = torch.randn(2, 3, 5), torch.randn(7, 5), torch.randint(7, (2, 3))
        >>> chunked = chunked_token_log_probs(hidden, head, tokens, chunk_size=2)
        >>> bool(torch.allclose(chunked, token_log_probs(hidden @ head.T, tokens), atol=1e-5))
        True
    """
    return _by_chunk(token_log_probs, hidden, weight, tokens, chunk_size, temperature).view_as(tokens)


def chunked_token_log_probs_and_entropy(
    hidden: Float[Tensor, "rows time width"],
    weight: Float[Tensor, "vocab width"],
    tokens: Int[Tensor, "rows time"],
    *,
    chunk_size: int = 1024,
    temperature: float = 1.0,
) -> tuple[Float[Tensor, "rows time"], Float[Tensor, "rows time"]]:
    """``token_log_probs_and_entropy(hidden @ weight.T, tokens)`` without ever holding all logits.

    Args:
        hidden: the last hidden states, aligned with ``tokens``.
        weight: the language-model head.
        tokens: token ids.
        chunk_size: positions at a time.
        temperature: the sampling temperature, above 0.

    Returns:
        Log-probabilities and entropies in nats.

    Raises:
        ValueError: ``chunk_size`` is below 1, or as ``token_log_probs``.
        TypeError: a wrong dtype.

    Example:
        >>> hidden, head, tokens = torch.randn(2, 3, 5), torch.zeros(7, 5), torch.randint(7, (2, 3))
        >>> log_prob, entropy = chunked_token_log_probs_and_entropy(hidden, head, tokens, chunk_size=2)
        >>> bool(torch.allclose(log_prob, -entropy))
        True
    """

    def both(logits: Tensor, tokens: Tensor, *, temperature: float) -> Tensor:
        """Stack log-probability and entropy."""
        return torch.stack(token_log_probs_and_entropy(logits, tokens, temperature=temperature))

    log_prob, entropy = _by_chunk(both, hidden, weight, tokens, chunk_size, temperature).view(2, *tokens.shape)
    return log_prob, entropy


def trajectory_log_prob(
    token_log_prob: Float[Tensor, "rows time"], mask: Bool[Tensor, "rows time"]
) -> Float[Tensor, " rows"]:
    """Log-probability of a whole response: ``sum_t log pi(token_t)`` over the mask, not length-normalised.

    Args:
        token_log_prob: per-token log-probabilities in nats; anything, NaN included, where the mask is False.
        mask: True at response tokens. An empty row gives 0.

    Returns:
        Log-probability of each row in nats.

    Raises:
        ValueError: the shapes differ.
        TypeError: ``mask`` is not boolean.

    Reference:
        log pi(tau | q) in Eq. 9 of CalibRL (arXiv:2602.20197).

    Example:
        >>> trajectory_log_prob(torch.tensor([[-1.0, -2.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([-3.])
    """
    check_bool("mask", mask)
    check_same_shape(token_log_prob=token_log_prob, mask=mask)
    return precise(token_log_prob).where(mask, 0.0).sum(1)


def _log_softmax(logits: Tensor, temperature: float) -> Tensor:
    check_range("temperature", temperature, 1e-6)
    precise = logits if logits.dtype == torch.float64 else logits.float()
    return torch.log_softmax(precise / temperature, dim=-1)


def _by_chunk(
    score: Callable[..., Tensor], hidden: Tensor, weight: Tensor, tokens: Tensor, chunk_size: int, temperature: float
) -> Tensor:
    """Score ``chunk_size`` positions at a time; each chunk's logits are made again in the backward pass."""
    check_float("hidden", hidden)
    check_float("weight", weight)
    check_count("chunk_size", chunk_size)
    check_same_shape(hidden=hidden[..., 0], tokens=tokens)

    def score_chunk(hidden_chunk: Tensor, tokens_chunk: Tensor) -> Tensor:
        """Score the tokens of one chunk."""
        return score(hidden_chunk @ weight.T, tokens_chunk, temperature=temperature)

    recomputed = functools.partial(checkpoint, score_chunk, use_reentrant=False)
    chunks = map(recomputed, torch.split(hidden.flatten(0, 1), chunk_size), torch.split(tokens.flatten(), chunk_size))
    return torch.cat([*chunks], dim=-1)


def _gather(log_probs: Tensor, tokens: Tensor) -> Tensor:
    return log_probs.gather(-1, tokens.long().unsqueeze(-1)).squeeze(-1)


def _entropy(log_probs: Tensor) -> Tensor:
    possible = log_probs > -torch.inf
    return -(log_probs.exp() * log_probs.where(possible, 0.0)).sum(-1)


def _check_tokens(logits: Tensor, tokens: Tensor) -> None:
    check_integer("tokens", tokens)
    check_same_shape(logits=logits[..., 0], tokens=tokens)
    vocab = logits.shape[-1]
    outside = (tokens < 0) | (tokens >= vocab)
    if bool(outside.any()):
        raise bad_value(
            "tokens", int(tokens[outside][0]), f"ids in [0, {vocab})", "use ids of this vocabulary; mask padding"
        )
