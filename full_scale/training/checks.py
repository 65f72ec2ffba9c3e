"""What the trainer refuses before it starts, and before the model is called."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor
from trl import GRPOConfig

from calibrl_ref import Objective

REQUIRED = {
    "mask_truncated_completions": (False, "prune with the objective instead"),
    "top_entropy_quantile": (1.0, "the objective decides which tokens count"),
    "off_policy_mask_threshold": (None, "the objective decides which rows count"),
    "entropy_coef": (0.0, "use the recipe entropy_bonus"),
    "importance_sampling_level": ("token", "the ratio is the objective's"),
    "eval_strategy": ("no", "evaluate a checkpoint with full_scale/evaluate.py"),
}
"""GRPOConfig options that would change TRL's own loss, and would be ignored here: they must keep these values."""


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
