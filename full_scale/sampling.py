"""Answers of a model to problems: greedy or sampled, with the policy's entropy on the way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import BatchFeature, GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from calibrl_ref import token_entropy
from full_scale.problem import Problem
from full_scale.prompting import model_inputs


@dataclass(frozen=True)
class Answer:
    """One response.

    Args:
        text: Decoded response, without special tokens.
        length: Tokens, the end token included.
        entropy: Mean entropy of the policy over those tokens, nats.
    """

    text: str
    length: int
    entropy: float


class EntropyRecorder(LogitsProcessor):
    """Notes the entropy of every next-token distribution and changes nothing; put it first in the list."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Record ``scores`` [rows, vocabulary] and return them unchanged."""
        self.steps.append(token_entropy(scores.unsqueeze(1)).squeeze(1))
        return scores


def answer_problems(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    problems: Sequence[Problem],
    *,
    max_new_tokens: int,
    samples: int = 1,
    greedy: bool = False,
    instruct: bool = False,
    batch_size: int = 64,
    seed: int = 0,
) -> list[list[Answer]]:
    """Let the model answer each problem ``samples`` times; the global random state is left as it was.

    Args:
        model: A vision-language model.
        processor: Its processor.
        problems: What to answer.
        max_new_tokens: Longest response, tokens.
        samples: Responses per problem, at temperature 1.
        greedy: Take the likeliest token instead; then ``samples`` must be 1.
        instruct: Append the paper's instruction to the question.
        batch_size: Prompts at once.
        seed: Of the sampling.

    Returns:
        For each problem, its answers.

    Raises:
        ValueError: If ``greedy`` and ``samples`` contradict each other.
    """
    if greedy and samples != 1:
        raise ValueError(f"samples is {samples}, but greedy answers are all equal; use samples=1 or greedy=False.")
    config = _generation_config(model, processor, samples=samples, greedy=greedy, max_new_tokens=max_new_tokens)
    answers: list[list[Answer]] = []
    with _evaluating(model), torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(problems), batch_size):
            inputs = model_inputs(processor, problems[start : start + batch_size], instruct=instruct)
            flat = _generate(model, processor, inputs.to(model.device), config)
            answers += [flat[row : row + samples] for row in range(0, len(flat), samples)]
    return answers


def _generation_config(
    model: PreTrainedModel, processor: ProcessorMixin, *, samples: int, greedy: bool, max_new_tokens: int
) -> GenerationConfig:
    end = model.generation_config.eos_token_id
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        num_return_sequences=samples,
        do_sample=not greedy,
        top_k=0 if not greedy else None,
        eos_token_id=processor.tokenizer.eos_token_id if end is None else end,
        pad_token_id=processor.tokenizer.pad_token_id,
        # A generated image token would have no picture behind it.
        suppress_tokens=[model.config.image_token_id],
    )


def _generate(
    model: PreTrainedModel, processor: ProcessorMixin, inputs: BatchFeature, config: GenerationConfig
) -> list[Answer]:
    recorder = EntropyRecorder()
    tokens = model.generate(**inputs, generation_config=config, logits_processor=LogitsProcessorList([recorder]))
    tokens = tokens[:, inputs["input_ids"].shape[1] :]
    ends = torch.isin(tokens, torch.tensor(config.eos_token_id, device=tokens.device))
    mask = ends.cumsum(dim=1) - ends.int() == 0  # up to and with the first end token
    lengths = mask.sum(dim=1)
    entropy = (torch.stack(recorder.steps, dim=1) * mask).sum(dim=1) / lengths
    texts = processor.batch_decode(
        [row[keep] for row, keep in zip(tokens, mask, strict=True)], skip_special_tokens=True
    )
    return [Answer(*row) for row in zip(texts, lengths.tolist(), entropy.tolist(), strict=True)]


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
