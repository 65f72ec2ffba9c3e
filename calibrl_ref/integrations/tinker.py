"""A loss for Tinker's ``TrainingClient.forward_backward_custom`` (written for tinker 0.38).

The service gives the log-probabilities of every datum's target tokens, the client computes the loss from them and sends
back its derivative. One call must hold whole groups, the experts' data among them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from calibrl_ref._checks import bad_value
from calibrl_ref.objective import Objective
from calibrl_ref.rollouts import Rollouts

Loss = Callable[[Sequence[Any], list[Tensor]], tuple[Tensor, dict[str, float]]]
ROW_FIELDS = ("group", "is_expert", "correct", "advantage")
"""What each datum's ``loss_fn_inputs`` must hold beside target_tokens: one number each."""
TOKEN_FIELDS = ("old_token_log_prob", "mask")
"""And of each target token: the sampler's log-probability, and 1 at response tokens, 0 at the prompt's."""


def custom_loss(objective: Objective) -> Loss:
    """Return a loss for ``forward_backward_custom``.

    Args:
        objective: a recipe's. It must not read the entropy, which the service does not give.

    Returns:
        A function of the data and their log-probabilities, which gives the loss and each term's share as metrics.

    Raises:
        ValueError: the objective reads the entropy or a reference policy; a datum lacks a field.

    Example:
        >>> from calibrl_ref import RECIPES
        >>> loss = custom_loss(RECIPES["calibrl"]())
        >>> # training_client.forward_backward_custom(data, loss)
    """
    if objective.needs_token_entropy or objective.needs_reference:
        what = "the entropy of each token" if objective.needs_token_entropy else "a reference policy"
        raise bad_value("objective", f"reads {what}", "one that reads log-probabilities alone", "choose another method")

    def loss(data: Sequence[Any], logprobs: list[Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of these groups, and its terms."""
        rows = [_inputs(datum, number) for number, datum in enumerate(data)]
        column = {name: torch.stack([row[name].reshape(()) for row in rows]) for name in ROW_FIELDS}
        width = {name: pad_sequence([row[name] for row in rows], batch_first=True) for name in TOKEN_FIELDS}
        losses = objective(
            Rollouts(
                token_log_prob=pad_sequence(list(logprobs), batch_first=True),
                old_token_log_prob=width["old_token_log_prob"].float(),
                mask=width["mask"].bool(),
                group=column["group"].long(),
                is_expert=column["is_expert"].bool(),
                correct=column["correct"].bool(),
                advantage=column["advantage"].float(),
            )
        )
        return losses.total, {name: float(share.detach()) for name, share in losses.terms.items()}

    return loss


def _inputs(datum: Any, number: int) -> Mapping[str, Tensor]:  # noqa: ANN401  # tinker.types.Datum
    """A datum's fields as tensors."""
    given = datum.loss_fn_inputs
    if missing := [name for name in (*ROW_FIELDS, *TOKEN_FIELDS) if name not in given]:
        where = f"data[{number}].loss_fn_inputs"
        raise bad_value(where, sorted(given), f"{missing} too", "put them into the datum when it is built")
    return {name: given[name].to_torch() for name in (*ROW_FIELDS, *TOKEN_FIELDS)}
