"""Answers of a model to problems: greedy or sampled, with the policy's entropy and confidence on the way."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from transformers import BatchEncoding, BatchFeature, GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.modeling_utils import PreTrainedModel

from calibrl_ref import token_log_probs_and_entropy
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import model_inputs, opening
from full_scale.model.sampling import own_sampling, ready_to_generate
from full_scale.model.shared_prompt import generate_shared, obstacle
from full_scale.problems.problem import Problem


@dataclass(frozen=True)
class Answer:
    """One response.

    Args:
        text: Decoded response, without special tokens, with the opening that the chat template wrote.
        length: Tokens, the end token included.
        entropy: Mean entropy of the policy over those tokens, nats.
        log_prob: Log-probability of the response under the policy at temperature 1, nats.
        finished: Whether it ended by itself; False where it was cut at the longest length.
    """

    text: str
    length: int
    entropy: float
    log_prob: float
    finished: bool


class TokenRecorder(LogitsProcessor):
    """Notes the entropy of every next-token distribution and the chosen token's log-probability, and changes nothing.

    Of the logits only the last step's are kept, so that memory does not grow with the length of the response.
    """

    def __init__(self) -> None:
        self._scores: torch.Tensor | None = None
        self._steps: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Note the token that the former step chose, keep ``scores`` [rows, vocabulary] and return them unchanged."""
        self._note(input_ids[:, -1])
        self._scores = scores
        return scores

    def finish(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Note the last step's token.

        Args:
            tokens: All generated tokens, ``[rows, time]``.

        Returns:
            Log-probability of each token and entropy at each, ``[rows, time]``, nats.
        """
        self._note(tokens[:, -1])
        log_probs, entropies = zip(*self._steps, strict=True)
        return torch.stack(log_probs, dim=1), torch.stack(entropies, dim=1)

    def _note(self, chosen: torch.Tensor) -> None:
        if self._scores is not None:
            self._steps.append(token_log_probs_and_entropy(self._scores, chosen))


def answer_problems(
    model: PreTrainedModel,
    processor: Processor,
    problems: Sequence[Problem],
    *,
    max_new_tokens: int,
    samples: int = 1,
    greedy: bool = False,
    instruct: bool = False,
    begin: str = "",
    batch_size: int = 64,
    seed: int = 0,
) -> list[list[Answer]]:
    """Let the model answer each problem ``samples`` times; the global random state is left as it was.

    Args:
        model: A vision-language model, or a text model where no problem has a picture.
        processor: Its processor, or a text model's tokenizer.
        problems: What to answer.
        max_new_tokens: Longest response, tokens.
        samples: Responses per problem, at temperature 1.
        greedy: Take the likeliest token instead; then ``samples`` must be 1.
        instruct: Append the paper's instruction to the question.
        begin: What every response begins with; of its text, but not of its length, entropy and log-probability.
        batch_size: Problems at once; memory grows with ``batch_size * samples``.
        seed: Of the sampling. Each batch has its own random numbers, so a batch can be repeated alone.

    Returns:
        For each problem, its answers.

    Raises:
        ValueError: If ``greedy`` and ``samples`` contradict each other.
    """
    answers: list[list[Answer]] = []
    for start in range(0, len(problems), batch_size):
        answers += answer_batch(
            model,
            processor,
            problems[start : start + batch_size],
            max_new_tokens=max_new_tokens,
            samples=samples,
            greedy=greedy,
            instruct=instruct,
            begin=begin,
            seed=batch_seed(seed, start),
        )
    return answers


def batch_seed(seed: int, start: int) -> int:
    """The seed of the batch whose first problem has the index ``start``: different for every (seed, start)."""
    return int.from_bytes(hashlib.sha256(f"{seed} {start}".encode()).digest()[:7])


def answer_batch(
    model: PreTrainedModel,
    processor: Processor,
    problems: Sequence[Problem],
    *,
    max_new_tokens: int,
    samples: int,
    greedy: bool,
    instruct: bool,
    begin: str = "",
    seed: int,
) -> list[list[Answer]]:
    """The answers to one batch; where the model allows it, each prompt is read once for all its answers.

    Args:
        model: As in :func:`answer_problems`, like all that follow.
        processor: Its processor.
        problems: The batch.
        max_new_tokens: Longest response, tokens.
        samples: Responses per problem.
        greedy: Take the likeliest token.
        instruct: Append the paper's instruction.
        begin: What every response begins with.
        seed: Of the sampling of this batch.

    Returns:
        For each problem, its answers.

    Raises:
        ValueError: If ``greedy`` and ``samples`` contradict each other, or ``samples`` is below 1.
    """
    if samples < 1 or (greedy and samples != 1):
        raise ValueError(
            f"samples is {samples}: at least 1 is needed, and exactly 1 with greedy=True (they would be equal)."
        )
    config = _generation_config(model, processor, greedy=greedy, max_new_tokens=max_new_tokens)
    with evaluating(model), own_sampling(model), torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        inputs = model_inputs(processor, problems, instruct=instruct, begin=begin)
        flat = _generate(model, processor, inputs.to(model.device), config, samples, begin)
    return [flat[row : row + samples] for row in range(0, len(flat), samples)]


def _generation_config(
    model: PreTrainedModel,
    processor: Processor,
    *,
    greedy: bool,
    max_new_tokens: int,
) -> GenerationConfig:
    tokenizer = tokenizer_of(processor)
    end = model.generation_config.eos_token_id
    image_token = getattr(model.config, "image_token_id", None)
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=not greedy,
        top_k=0 if not greedy else None,
        eos_token_id=tokenizer.eos_token_id if end is None else end,
        pad_token_id=tokenizer.pad_token_id,
        # A generated image token would have no picture behind it.
        suppress_tokens=None if image_token is None else [image_token],
    )


def _generate(
    model: PreTrainedModel,
    processor: Processor,
    inputs: BatchFeature | BatchEncoding[torch.Tensor],
    config: GenerationConfig,
    samples: int,
    begin: str,
) -> list[Answer]:
    recorder = TokenRecorder()
    # PreTrainedModel is not annotated as able to generate; without return_dict_in_generate this gives ids
    generate = cast(Callable[..., torch.Tensor], model.generate)
    told = dict(inputs)
    if obstacle(model) is None:
        generate = partial(generate_shared, generate, model, copies=samples)
        told |= {name: told[name].repeat_interleave(samples, dim=0) for name in ("input_ids", "attention_mask")}
    else:
        config.num_return_sequences = samples
    ready_to_generate(model)
    tokens = generate(**told, generation_config=config, logits_processor=LogitsProcessorList([recorder]))
    tokens = tokens[:, inputs["input_ids"].shape[1] :]
    log_probs, entropies = recorder.finish(tokens)
    ends = torch.isin(tokens, torch.tensor(config.eos_token_id, device=tokens.device))
    mask = ends.cumsum(dim=1) - ends.int() == 0  # up to and with the first end token
    lengths = mask.sum(dim=1)
    written = processor.batch_decode(
        [row[keep] for row, keep in zip(tokens, mask, strict=True)], skip_special_tokens=True
    )
    opened = opening(processor)
    return [
        Answer(*row)
        for row in zip(
            [(begin or opened) + text for text in written],
            lengths.tolist(),
            (entropies.where(mask, 0.0).sum(dim=1) / lengths).tolist(),
            log_probs.where(mask, 0.0).sum(dim=1).tolist(),
            ends.any(dim=1).tolist(),
            strict=True,
        )
    ]


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Within it the model is in evaluation mode."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
