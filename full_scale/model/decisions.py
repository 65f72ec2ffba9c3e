"""The first decision of a response: which way of reasoning it takes, exactly, from the logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

from full_scale.model.answers import evaluating
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import model_inputs
from full_scale.problems.problem import Problem
from full_scale.problems.ways import BEGIN, Ways


@dataclass(frozen=True, kw_only=True)
class FirstDecision:
    """A model's distribution over the first word of the thought, for some problems.

    Attributes:
        shares: Name of each way -> its probability, [problems].
        entropy: Of the next token's distribution, nats, [problems].
    """

    shares: dict[str, Tensor]
    entropy: Tensor

    @property
    def known(self) -> float:
        """Mean probability that the word is any way's."""
        return float(torch.stack([*self.shares.values()]).sum(dim=0).mean())


def first_decision(
    model: PreTrainedModel,
    processor: Processor,
    problems: Sequence[Problem],
    ways: Ways,
    *,
    instruct: bool = False,
    batch_size: int = 64,
) -> FirstDecision:
    """What a model would do next, were "<think>" written.

    Args:
        model: The policy.
        processor: Its processor.
        problems: At least one.
        ways: Theirs.
        instruct: Append the paper's instruction to the question.
        batch_size: Problems at once.

    Returns:
        The distribution at temperature 1.

    Raises:
        ValueError: Two ways' names begin with one token.
    """
    tokens, parts = way_tokens(processor, ways), []
    with evaluating(model), torch.inference_mode():
        for start in range(0, len(problems), batch_size):
            batch = problems[start : start + batch_size]
            inputs = model_inputs(processor, batch, instruct=instruct, begin=BEGIN).to(model.device)
            parts.append(model(**inputs, logits_to_keep=1).logits[:, -1].float().log_softmax(-1))
    log_prob = torch.cat(parts)
    shares = {name: log_prob[:, token].exp() for name, token in tokens.items()}
    return FirstDecision(shares=shares, entropy=-(log_prob.exp() * log_prob).sum(-1))


def way_tokens(processor: Processor, ways: Ways) -> dict[str, int]:
    """The first token of each way's name.

    Args:
        processor: Of the model.
        ways: The ways.

    Returns:
        Name -> id.

    Raises:
        ValueError: Two names begin with one token.
    """
    tokenizer = tokenizer_of(processor)
    behind = len(tokenizer(BEGIN, add_special_tokens=False)["input_ids"])
    found = {name: tokenizer(BEGIN + name, add_special_tokens=False)["input_ids"][behind] for name in ways.names}
    if len({*found.values()}) < len(found):
        raise ValueError(
            f"ways={ways.names}: this model's tokenizer begins two of them with one token, so that the first decision "
            "is not one token. Fix: a model made for them, --model tiny-shortcut."
        )
    return found
