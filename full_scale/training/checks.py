"""What the trainer refuses before it starts, and before the model is called."""

from collections.abc import Mapping, Sequence, Sized
from typing import Any, cast

from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.trainer_utils import SchedulerType
from trl import GRPOConfig

from calibrl_ref import Objective, Schedule
from full_scale.model.decisions import first_decision
from full_scale.model.processor import Processor
from full_scale.problems.problem import Problem
from full_scale.run.settings import Settings

REQUIRED = {
    "mask_truncated_completions": (False, "prune with the objective instead"),
    "top_entropy_quantile": (1.0, "the objective decides which tokens count"),
    "off_policy_mask_threshold": (None, "the objective decides which rows count"),
    "entropy_coef": (0.0, "use the recipe entropy_bonus"),
    "importance_sampling_level": ("token", "the ratio is the objective's"),
    "eval_strategy": ("no", "evaluate a checkpoint with full_scale/evaluate.py"),
}
"""GRPOConfig options that would change TRL's own loss, and would be ignored here: they must keep these values."""


CONSTANT_RATES = ("constant", "constant_with_warmup")
"""Learning-rate schedules that do not depend on the number of updates."""


def check_arguments(args: GRPOConfig, objective: Objective) -> None:
    """Refuse options that this trainer would ignore, and updates that would split a group.

    Args:
        args: A ``trl.GRPOConfig``.
        objective: What will be minimised.

    Raises:
        ValueError: Naming the option, its value, and what to do.
    """
    for name, (value, reason) in REQUIRED.items():
        if getattr(args, name) != value:
            raise ValueError(f"{name} is {getattr(args, name)!r}; this trainer needs {value!r}: {reason}.")
    if args.use_vllm and args.vllm_importance_sampling_correction:
        raise ValueError("vllm_importance_sampling_correction is not supported; set it to False.")
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps
    if rows % cast(int, args.num_generations):  # TRL's constructor fills it in
        raise ValueError(
            f"per_device_train_batch_size x gradient_accumulation_steps ({rows} rows) must be a multiple of "
            f"num_generations ({args.num_generations}): a process's update consists of whole groups."
        )
    if cast(int, args.steps_per_generation) % args.gradient_accumulation_steps:
        raise ValueError(
            f"steps_per_generation ({args.steps_per_generation}) must be a multiple of gradient_accumulation_steps "
            f"({args.gradient_accumulation_steps}): one update uses one policy's rollouts."
        )
    if objective.needs_reference and not args.beta:
        raise ValueError("beta is 0, but the objective reads a reference policy; set beta above 0 to keep one.")


def check_prompts(available: int, args: GRPOConfig) -> None:
    """Refuse data that is too little for one sampling, of which transformers would make no update at all.

    Args:
        available: Training rows.
        args: A ``trl.GRPOConfig``.

    Raises:
        ValueError: Naming both numbers.
    """
    needed = cast(int, args.generation_batch_size) // cast(int, args.num_generations)
    if available < needed:
        raise ValueError(
            f"{available} training problems: expected at least {needed}, the prompts of one sampling. "
            "Fix: set --prompts-per-step or --updates-per-sampling lower, or give more data."
        )


def check_validation(schedule: Schedule, rows: Sized | None) -> None:
    """Refuse a plateau without rows to take its validation loss on.

    Args:
        schedule: Of the run.
        rows: Those that were kept back; None: none.

    Raises:
        ValueError: There are none.
    """
    if schedule.plateau is not None and not rows:
        raise ValueError(
            "eval_dataset: expected rows with experts, on which plateau_patience takes its validation loss. Fix: give "
            "some that are not trained on, as full_scale.training.rows.kept_back does, or leave plateau_patience out."
        )


def check_same_prompts(rows: Sequence[Mapping[str, Any]], group_size: int) -> None:
    """Refuse a group whose rows ask different things: its prompt is read once.

    Args:
        rows: Training rows with ``prompt`` and ``images``, group by group.
        group_size: Rows of a group.

    Raises:
        ValueError: Naming the rows.
    """
    for number, row in enumerate(rows):
        first = number - number % group_size
        if any(row[name] != rows[first][name] for name in ("prompt", "images")):
            raise ValueError(
                f"row {number}: expected the prompt and the pictures of row {first}, as both are of one group. "
                f"Fix: give each prompt {group_size} times in a row."
            )


def check_dropout(model: nn.Module) -> None:
    """Refuse a model with dropout: its ratios would compare two different random policies.

    With ``lora_dropout=0.05`` the ratio of an unchanged policy was off by 0.29, and clipped.

    Args:
        model: The policy.

    Raises:
        ValueError: Naming the module and its rate.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and module.p > 0.0:
            raise ValueError(
                f"{name} drops out at a rate of {module.p}: expected none, as the policy that is scored must be the "
                "one that sampled. Fix: set lora_dropout to 0, or disable_dropout of the trainer's options to True."
            )


def plan_of(args: GRPOConfig) -> dict[str, Any]:
    """What an update may depend on beyond its place: the number of all updates, and the learning rate's schedule."""
    return {"max_steps": args.max_steps, "lr_scheduler_type": SchedulerType(args.lr_scheduler_type).value}


def check_plan(manifest: Mapping[str, Any], args: GRPOConfig, *, stages: int) -> None:
    """Refuse to go on with a run for another number of updates where the updates depend on it.

    Args:
        manifest: Of the checkpoint.
        args: Of this run.
        stages: Number of the method's stages, each of which takes a share of the updates.

    Raises:
        ValueError: Naming what differs, and why it matters.
    """
    former, now = manifest["plan"], plan_of(args)
    scheduler = former["lr_scheduler_type"]
    if scheduler != now["lr_scheduler_type"]:
        raise ValueError(
            f"lr_scheduler_type={now['lr_scheduler_type']}: expected {scheduler}, with which the run was begun. "
            "Fix: resume with it, or start anew in another folder."
        )
    bends = scheduler not in CONSTANT_RATES
    if former["max_steps"] != now["max_steps"] and (bends or stages > 1):
        raise ValueError(
            f"max_steps={now['max_steps']}: expected {former['max_steps']}, for which the "
            f"{'learning rate' if bends else 'stages of the method'} of the run was planned. "
            f"Fix: resume with --steps {former['max_steps']}, or start anew in another folder."
        )


def no_advantage(samplings: int, *, right: float) -> str:
    """Why nothing is learnt where every advantage is 0, and what to do.

    Args:
        samplings: How many in a row were so.
        right: Share of right responses in the last one.

    Returns:
        One line.

    Example:
        >>> no_advantage(3, right=1.0)
        'every advantage was 0 in 3 samplings in a row: all responses are right. Fix: choose harder problems.'
    """
    if right == 0.0:
        cause = (
            "no response is right. Fix: choose easier problems, raise --max-response-length if responses are cut off, "
            "or warm the model up with --method sft; look at its answers first"
        )
    elif right == 1.0:
        cause = "all responses are right. Fix: choose harder problems"
    else:
        cause = "all responses to a problem earn the same. Fix: raise --temperature or --group-size"
    return f"every advantage was 0 in {samplings} samplings in a row: {cause}."


def check_image_tokens(
    prompt_ids: Sequence[Sequence[int]], grid: Tensor, counts: Sequence[int], image_token: int, merge_size: int
) -> None:
    """Compare the image tokens of each prompt with the features that its pictures will have.

    Args:
        prompt_ids: Token ids of each prompt.
        grid: Patches of each picture, [pictures, (time, height, width)].
        counts: Pictures of each prompt.
        image_token: Id of the image-pad token.
        merge_size: Side of the square of patches that becomes one feature.

    Raises:
        ValueError: Naming the prompt, its image tokens and its features.
    """
    features = (grid.prod(dim=-1) // merge_size**2).tolist()
    start = 0
    for row, (ids, count) in enumerate(zip(prompt_ids, counts, strict=True)):
        wanted, found = sum(features[start : start + count]), list(ids).count(image_token)
        start += count
        if wanted != found:
            raise ValueError(
                f"prompt {row} has {found} image tokens, but its {count} picture(s) give {wanted} features; "
                "the prompt was cut inside a picture, or the processor does not belong to the model."
            )


KNOWN_WAYS, RAREST_WAY = 0.5, 1e-4
"""From which probability on a model is taken to know its ways: of all of them together, and of sound way and shortcut
each; below the second, not one answer of a run takes the way."""


def check_ways(model: PreTrainedModel, processor: Processor, problems: Sequence[Problem], settings: Settings) -> None:
    """Refuse a model that does not know the ways of its problems, and experts of one kind of problem alone.

    Args:
        model: The initial one.
        processor: Its processor.
        problems: For training; nothing is checked where they tell no ways apart.
        settings: All options.

    Raises:
        ValueError: One of the two.
    """
    ways, probes = problems[0].ways, problems[:32]
    if ways is None:
        return
    known = first_decision(model, processor, probes, ways, instruct=settings.instruct)
    rarest = min(float(known.shares[name].mean()) for name in (ways.sound, ways.shortcut))
    if known.known < KNOWN_WAYS or rarest < RAREST_WAY:
        shares = ", ".join(f"{name} {float(share.mean()):.1%}" for name, share in known.shares.items())
        raise ValueError(
            f"model={settings.model!r}: expected one that takes the ways of {settings.dataset}; its first word is "
            f"{shares}. Fix: --model tiny-shortcut, or warm one up (full_scale/pretrain.py --world shortcut)."
        )
    shown = {problem.category for problem in problems if problem.solution is not None}
    if settings.schedule().uses_expert and len(shown) == 1 < len({problem.category for problem in problems}):
        raise ValueError(
            f"experts={settings.experts!r}: expected experts of several kinds of problem, all of them show "
            f"{shown.pop()!r}, so that they cannot tell looking from guessing. Fix: --experts dataset."
        )
