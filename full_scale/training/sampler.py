"""What sampled is what is trained: the sampling engine, told what TRL does not tell it, and compared with the policy.

The weights that sample and those that are trained should be the same function. An engine of its own, such as vLLM, can
break that without a word: it expands a picture's tokens twice, misses a weight update, casts the weights. So its
log-probabilities of the sampled tokens are compared with the trainer's of the same weights, in every update. For
transformers' ``generate``, which shares the weights but not the computation (it caches keys, and sees one token at a
time), they are read off its logits.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from trl import GRPOConfig
from trl.generation import vllm_generation

logger = logging.getLogger(__name__)

LARGEST_GAP = 0.1
"""Nats a token, on average, above which the sampler is another policy; vLLM in bfloat16 differs by a few hundredths."""
GROWTH, VISIBLE_GAP = 10.0, 1e-4
"""A gap that grew so much since the first update, and exceeds rounding, tells of weights that were not handed over."""
FORBIDDEN = -100.0
"""A logit bias that no token survives."""

CAUSES = (
    "likely causes: the engine reads other prompts (pictures expanded twice, another processor or chat template), holds"
    " other weights (a server of another checkpoint, an update that was not handed over), or samples by other rules"
    " (precision, temperature, top-p)"
)


def single_image_tokens(ids: Sequence[int], image_token: int) -> list[int]:
    """A prompt with one image token for each picture, as a colocated vLLM expects it (huggingface/trl#6294).

    Args:
        ids: Token ids, a run of image tokens for each picture.
        image_token: Id of the image-pad token.

    Returns:
        The ids with each run shortened to one.

    Example:
        >>> single_image_tokens([5, 9, 9, 9, 6, 9, 9, 5, 5], 9)
        [5, 9, 6, 9, 5, 5]
    """
    runs = ((token, list(run)) for token, run in groupby(ids))
    return [token for token, run in runs for _ in (run[:1] if token == image_token else run)]


@contextmanager
def told_dtype(args: GRPOConfig, model: nn.Module) -> Iterator[None]:
    """Within it a colocated vLLM is built in the type of the training's computation.

    TRL 1.16 does not tell it, and vLLM takes a float32 checkpoint for bfloat16.

    Args:
        args: The trainer's options.
        model: The policy.
    """
    if not args.use_vllm or args.vllm_mode != "colocate":
        yield
        return
    dtype = torch.bfloat16 if args.bf16 else next(model.parameters()).dtype
    module: Any = vllm_generation  # TRL imports the name LLM where vLLM is installed
    original = module.LLM
    module.LLM = partial(original, dtype=str(dtype).removeprefix("torch."))
    try:
        yield
    finally:
        module.LLM = original


class Recording:
    """Log-probabilities of the tokens that transformers' ``generate`` samples, read off a model's calls.

    Args:
        temperature: Of the sampling.
    """

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature
        self._last: Tensor | None = None
        self._steps: list[Tensor] = []

    def see(self, _module: nn.Module, _given: object, named: dict[str, Any], output: Any) -> None:  # noqa: ANN401  # a ModelOutput
        """Take note of a call (a forward hook): the token that it is given was sampled from the call before."""
        ids = named.get("input_ids")
        if self._last is not None and ids is not None and ids.shape == (len(self._last), 1):
            self._steps.append(self._last.gather(1, ids))
        else:  # a prompt
            self._steps.clear()
        self._last = (output.logits[:, -1].float() / self._temperature).log_softmax(dim=1)

    def of(self, responses: Sequence[Sequence[int]]) -> list[list[float]] | None:
        """Those of the responses' tokens.

        Args:
            responses: Token ids of each row, as they were sampled.

        Returns:
            Nats, as many as tokens in each row; None where the model was not called.
        """
        if self._last is None:
            return None
        last = torch.tensor([[ids[-1]] for ids in responses], device=self._last.device)
        steps = torch.cat([*self._steps, self._last.gather(1, last)], dim=1).tolist()
        return [row[: len(ids)] for row, ids in zip(steps, responses, strict=True)]


@contextmanager
def recorded(model: nn.Module, temperature: float) -> Iterator[Recording]:
    """Record what a model samples.

    Args:
        model: The policy, not wrapped.
        temperature: Of the sampling.

    Yields:
        The recording.
    """
    recording = Recording(temperature)
    handle = model.register_forward_hook(recording.see, with_kwargs=True)
    try:
        yield recording
    finally:
        handle.remove()


class GapWatch:
    """Stops a run whose sampler is another policy from the first update on, and warns of one that becomes one."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._limit = LARGEST_GAP

    def see(self, mean: float, largest: float) -> None:
        """Judge one update.

        Args:
            mean: Of ``|log pi_sampler - log pi_trained|`` over the sampled tokens, nats.
            largest: The largest of these, nats.

        Raises:
            ValueError: In the first update, if the mean is above :data:`LARGEST_GAP`.
        """
        found = f"sampler_gap={mean:.4g}: sampler and policy differ by so many nats a token (at most {largest:.4g})"
        if self._first is None:
            if mean > LARGEST_GAP:
                raise ValueError(f"{found}, expected at most {LARGEST_GAP}; {CAUSES}. Fix: find out with --vllm none.")
            self._first, self._limit = mean, min(LARGEST_GAP, max(GROWTH * mean, VISIBLE_GAP))
        elif mean > self._limit:
            logger.warning(
                f"{found}, {self._first:.4g} in the first update; {CAUSES}. Fix: --mismatch-cap 2 corrects a small gap."
            )
            self._limit = 2 * mean  # the next warning is due when it has doubled
