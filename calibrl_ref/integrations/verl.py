"""verl's losses by ``calibrl_ref``'s formulas (written for verl 0.9.1).

verl loads ``verl_plugin`` by the entry point group ``verl.plugins`` where both are installed. That registers

- a policy loss ``calibrl_ref.NAME`` for every recipe that verl's hook can serve
  (``actor_rollout_ref.actor.policy_loss.loss_mode=calibrl_ref.grpo``). Clips are the recipe's, the reduction is verl's
  ``loss_agg_mode``, advantages are those of ``algorithm.adv_estimator``. ``policy_loss`` makes one with other
  hyper-parameters;
- a policy loss ``calibrl_ref.constants`` for the methods that the hook cannot serve, because they compare a row with an
  expert, with its group or with the batch, which a micro-batch does not hold: ``set_constants`` puts the objective's
  derivatives, taken once on the whole batch, in the place of the advantages. They are exact for one update per
  sampling, so ``ppo_mini_batch_size`` must be the batch's and ``ppo_epochs`` 1;
- an advantage estimator ``calibrl_ref``: the group advantage without the experts' rows.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from calibrl_ref._checks import bad_value, look_up, precise
from calibrl_ref.aggregation import Aggregation
from calibrl_ref.diagnostics import approx_kl
from calibrl_ref.linearisation import Linearisation, linearise
from calibrl_ref.objective import Objective
from calibrl_ref.recipes import RECIPES
from calibrl_ref.rollouts import Rollouts

PolicyLoss = Callable[..., tuple[Tensor, dict[str, float]]]
PREFIX = "calibrl_ref"

AGGREGATION_OF_MODE = {
    "token-mean": "token_mean",
    "seq-mean-token-mean": "sequence_mean_token_mean",
    "seq-mean-token-sum": "sequence_mean_token_sum",
    "seq-mean-token-sum-norm": "constant_length",
}
"""verl's ``loss_agg_mode`` -> the aggregation of this project."""


def cannot_serve(objective: Objective) -> str | None:
    """Say what verl's policy-loss hook lacks for a method; None if it lacks nothing.

    The hook gets log-probabilities, advantages and a mask of one micro-batch: no group, expert, entropy or reference.
    """
    if objective.uses_expert:
        return "expert rows"
    if objective.needs_token_entropy:
        return "the entropy of each token"
    if objective.needs_reference:
        return "the reference policy's log-probabilities"
    return None if objective.scope == "row" else "the rows that a row is compared with"


def policy_loss(recipe: str, **hyper_parameters: object) -> PolicyLoss:
    """Return a policy loss in verl's form for a method that its hook can serve.

    Args:
        recipe: a key of ``RECIPES``.
        hyper_parameters: the recipe's; its aggregation is verl's ``loss_agg_mode``.

    Returns:
        A function for ``verl.trainer.ppo.core_algos.register_policy_loss``.

    Raises:
        ValueError: the hook lacks what the method needs, with the way that serves it.

    Example:
        >>> policy_loss("calibrl")
        Traceback (most recent call last):
        ...
        ValueError: recipe='calibrl': expected a method without expert rows, which verl's policy-loss hook does not get. Fix: use loss_mode=calibrl_ref.constants and set_constants on the whole batch.
    """  # noqa: E501  # the message stands in one line
    objective = RECIPES[recipe](**hyper_parameters)
    if lacking := cannot_serve(objective):
        fix = f"use loss_mode={PREFIX}.constants and set_constants on the whole batch"
        raise bad_value(
            "recipe", recipe, f"a method without {lacking}, which verl's policy-loss hook does not get", fix
        )

    def loss(
        old_log_prob: Float[Tensor, "rows time"],
        log_prob: Float[Tensor, "rows time"],
        advantages: Float[Tensor, "rows time"],
        response_mask: Tensor,
        loss_agg_mode: str = "token-mean",
        config: Any = None,  # noqa: ANN401  # verl's ActorConfig
        rollout_is_weights: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """Return a micro-batch's share of the loss, and metrics."""
        _refuse_mismatch(rollout_is_weights)
        mask, info = response_mask.bool(), _batch_info(config)
        length = int(info.get("loss_scale_factor") or mask.shape[1])
        mode = look_up(AGGREGATION_OF_MODE, "loss_agg_mode", loss_agg_mode, closed=True)
        reduced = replace(objective, aggregation=Aggregation(mode=mode, max_length=length))
        rollouts = _rows_alone(log_prob, old_log_prob, advantages, mask)
        divisor = _divisor(mode, mask, info, length)
        total = reduced(rollouts, divisors=(divisor,) * len(reduced.terms)).total
        kl = approx_kl(log_prob.detach().where(mask, 0.0), old_log_prob.where(mask, 0.0), mask)
        return total, {"actor/ppo_kl": float(kl)}

    return loss


def _refuse_mismatch(weights: Tensor | None) -> None:
    if weights is not None:
        fix = "leave algorithm.rollout_correction.rollout_is off, or use mismatch_cap in a loop of your own"
        raise bad_value("rollout_is_weights", "given", "None", fix)


def _batch_info(config: Any) -> Mapping[str, Any]:  # noqa: ANN401  # verl's ActorConfig
    """The numbers of the global batch, which verl puts beside the configuration of a micro-batch."""
    return getattr(config, "global_batch_info", {})


def _rows_alone(log_prob: Tensor, old_log_prob: Tensor, advantages: Tensor, mask: Tensor) -> Rollouts:
    """Rollouts of rows that are compared with nothing: each its own group."""
    advantages = precise(advantages)
    row_advantage = (advantages * mask).sum(1) / mask.sum(1).clamp(min=1)
    if bool(((advantages - row_advantage.unsqueeze(1)).abs() * mask > 1e-5 * (1 + row_advantage.abs().amax())).any()):
        fix = "use an outcome estimator, as algorithm.adv_estimator=grpo"
        raise bad_value("advantages", "different within a response", "one advantage per response", fix)
    rows = torch.arange(len(mask), device=mask.device)
    nobody = torch.zeros_like(rows, dtype=torch.bool)
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=old_log_prob,
        mask=mask,
        group=rows,
        is_expert=nobody,
        correct=row_advantage > 0,  # read by no method that the hook can serve
        advantage=row_advantage,
        validate=False,
    )


def _divisor(mode: str, mask: Tensor, info: Mapping[str, Any], length: int) -> Tensor:
    """What the share of a process is divided by, whose gradients verl averages over the processes."""
    tokens, rows = info.get("batch_num_tokens"), info.get("global_batch_size")
    number = mask.sum() if tokens is None else torch.as_tensor(tokens)
    if mode != "token_mean":
        number = mask.any(1).sum() if rows is None else torch.as_tensor(rows)
    number = number * length if mode == "constant_length" else number
    return number.double() / int(info.get("dp_size", 1))


def constants_loss(
    old_log_prob: Float[Tensor, "rows time"],
    log_prob: Float[Tensor, "rows time"],
    advantages: Float[Tensor, "rows time"],
    response_mask: Tensor,
    loss_agg_mode: str,
    config: Any = None,  # noqa: ANN401  # verl's ActorConfig
    rollout_is_weights: Tensor | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss whose gradient is that of the objective behind ``set_constants``: ``-sum(constant * log pi)``.

    The constants hold the divisors of the whole batch already: ``loss_agg_mode`` is not used, its value means nothing.

    Raises:
        ValueError: weights for a mismatch of the sampling engine are given.
    """
    _refuse_mismatch(rollout_is_weights)
    weighted = (advantages * log_prob).where(response_mask.bool() & (advantages != 0.0), 0.0)
    return -weighted.sum() * _batch_info(config).get("dp_size", 1), {}


def set_constants(data: Any, objective: Objective) -> Linearisation:  # noqa: ANN401  # verl's DataProto
    """Put an objective's derivatives in the place of the advantages of a whole batch.

    Call it in the trainer after the advantages were computed and before the actor is updated, with ``loss_mode`` set to
    ``calibrl_ref.constants`` and verl's own entropy and KL losses off.

    Args:
        data: verl's ``DataProto``: ``batch`` with old_log_probs, response_mask, token_level_scores and, if needed,
            ref_log_prob; ``non_tensor_batch`` with uid, and is_expert where there are experts; acc, the
            verdict, where the score is more than that. ``batch["advantages"]`` is written.
        objective: a recipe's.

    Returns:
        The loss and its terms, for the log.

    Raises:
        ValueError: the objective reads the entropy, which verl's hook gives no gradient for; a field is missing.
    """
    if objective.needs_token_entropy:
        fix = "choose a method without entropy term, or verl's own actor.entropy_coeff beside it"
        raise bad_value("objective", "reads the entropy of each token", "one that does not", fix)
    found = linearise(objective, _whole_batch(data, objective))
    data.batch["advantages"] = -found.by_log_prob
    return found


def _whole_batch(data: Any, objective: Objective) -> Rollouts:  # noqa: ANN401  # verl's DataProto
    batch, other = data.batch, data.non_tensor_batch
    old, mask = batch["old_log_probs"], batch["response_mask"].bool()
    score = batch["token_level_scores"].sum(1)
    group = _numbered(other["uid"]).to(old.device)
    expert = is_expert_row(other, len(old)).to(old.device)
    correct = torch.tensor([bool(verdict) for verdict in other["acc"]]).to(old.device) if "acc" in other else score == 1
    return Rollouts(
        token_log_prob=old,
        old_token_log_prob=old,
        mask=mask,
        group=group,
        is_expert=expert,
        correct=correct,
        advantage=objective.advantage(objective.shape_reward(score, mask.sum(1)), group, expert),
        reference_token_log_prob=batch["ref_log_prob"] if objective.needs_reference else None,
    )


def is_expert_row(non_tensor_batch: Mapping[str, Any], rows: int) -> Bool[Tensor, " rows"]:
    """Return which rows of a batch are experts': the field ``is_expert``; none where it is absent."""
    return torch.tensor([bool(value) for value in non_tensor_batch.get("is_expert", [False] * rows)])


def _numbered(names: Iterable[Hashable]) -> Tensor:
    """The prompts' names as numbers, in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names])


def group_advantage_without_experts(
    token_level_rewards: Float[Tensor, "rows time"],
    response_mask: Tensor,
    index: Any,  # noqa: ANN401  # verl's array of prompt ids
    config: Any = None,  # noqa: ANN401  # verl's AlgoConfig
    **fields: Any,  # noqa: ANN401  # of other estimators
) -> tuple[Tensor, Tensor]:
    """The advantage estimator ``calibrl_ref``: GRPO's, without the expert, which is the last row of each prompt.

    Args:
        token_level_rewards: the score of a response, at any of its tokens.
        response_mask: True at response tokens.
        index: the prompt's id of each row.
        config: ``norm_adv_by_std_in_grpo`` is read.
        fields: not used.

    Returns:
        Advantages and returns, the same tensor, [rows, time].
    """
    group = _numbered(index)
    last_of = {number: row for row, number in enumerate(group.tolist())}
    last = torch.zeros(len(group), dtype=torch.bool).scatter(0, torch.tensor(list(last_of.values())), True)
    scale = True if config is None else bool(config.get("norm_adv_by_std_in_grpo", True))
    estimate = RECIPES["grpo"](scale_by_std=scale).advantage
    reward = token_level_rewards.sum(1)
    advantage = estimate(reward, group.to(reward.device), last.to(reward.device)).unsqueeze(1) * response_mask
    return advantage, advantage


def register() -> tuple[str, ...]:
    """Register all of this with verl; ``verl_plugin`` does it when verl loads it.

    Returns:
        The names of the policy losses.
    """
    from verl.trainer.ppo.core_algos import POLICY_LOSS_REGISTRY, register_adv_est, register_policy_loss

    for name in RECIPES:
        if cannot_serve(RECIPES[name]()) is None:
            register_policy_loss(f"{PREFIX}.{name}")(policy_loss(name))
    register_policy_loss(f"{PREFIX}.constants")(constants_loss)
    register_adv_est(PREFIX)(group_advantage_without_experts)
    return tuple(sorted(cast(dict[str, object], POLICY_LOSS_REGISTRY).keys()))
