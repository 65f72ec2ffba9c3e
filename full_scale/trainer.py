"""TRL's GRPOTrainer with an expert's solution in each group and ``calibrl_ref``'s objective.

What is overridden, and why (:data:`OVERRIDDEN` holds the signatures that TRL 1.16 gives these methods; a test fails
when a new TRL changes one):

- ``_calculate_rewards``: keeps the rewards, which TRL turns into advantages and forgets.
- ``_generate_single_turn``: checks image tokens against pictures before the model is called, and after it.
- ``_generate_and_score_completions``: expert rows join their group; advantage and pruning are the objective's.
- ``_prepare_inputs``: deals out whole groups, where TRL shuffles single rows, with the divisors of the whole update.
- ``_compute_loss``: the loss is ``objective(rollouts)``.
- ``_load_from_checkpoint``: loads through ``from_pretrained``; transformers matches a checkpoint's names literally, and
  a saved Qwen2.5-VL carries its hub names, so a resumed run kept its initial weights with no more than a warning.

Generation, reference model, optimiser, distribution, checkpoints and logs are TRL's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import pad, split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from calibrl_ref import Objective, Rollouts, Schedule

OVERRIDDEN = {
    "_calculate_rewards": "(self, inputs, prompts, completions, completion_ids_list)",
    "_generate_single_turn": "(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False)",
    "_generate_and_score_completions": (
        "(self, inputs: list[dict[str, torch.Tensor | typing.Any]]) -> dict[str, torch.Tensor | typing.Any]"
    ),
    "_prepare_inputs": (
        "(self, generation_batch: dict[str, torch.Tensor | typing.Any]) -> dict[str, torch.Tensor | typing.Any]"
    ),
    "_compute_loss": "(self, model, inputs)",
    "_load_from_checkpoint": (
        "(self, resume_from_checkpoint: str, model: torch.nn.modules.module.Module | None = None) -> None"
    ),
}
"""Method of ``trl.GRPOTrainer`` -> its signature when this file was written."""

REQUIRED = {
    "mask_truncated_completions": (False, "prune with the objective instead"),
    "top_entropy_quantile": (1.0, "the objective decides which tokens count"),
    "off_policy_mask_threshold": (None, "the objective decides which rows count"),
    "entropy_coef": (0.0, "use the recipe entropy_bonus"),
    "importance_sampling_level": ("token", "the ratio is the objective's"),
}
"""GRPOConfig options that would change TRL's own loss, and would be ignored here: they must keep these values."""

PICTURE_FIELDS = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)
Rows = dict[str, Any]  # name -> [rows, ...] tensor, or a list with one entry per row


class HybridPolicyTrainer(GRPOTrainer):
    """GRPO training in which a group may contain an expert's response.

    Each row of the training data needs the columns ``prompt`` (a conversation) and ``images``; ``expert`` (the expert's
    full response, or None) and ``expert_reward`` where the objective uses experts. The first reward function decides
    what is correct: 1 is correct.

    Args:
        schedule: The objectives of the run, one after another: ``calibrl_ref.Schedule.named(method)``.
        method: Its name, for checkpoints.
        kwargs: Everything else is ``trl.GRPOTrainer``'s.

    Raises:
        ValueError: If an option of ``args`` contradicts the objective, or would split a group.
    """

    def __init__(self, *, schedule: Schedule, method: str | None = None, **kwargs: object) -> None:
        for objective, _ in schedule.stages:
            check_arguments(kwargs["args"], objective)
        self.schedule, self.method = schedule, method
        super().__init__(**kwargs)

    @property
    def objective(self) -> Objective:
        """What the current update minimises."""
        return self.schedule.objective_at(self.state.global_step / max(self.state.max_steps, 1))

    def _calculate_rewards(
        self, inputs: list[Rows], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        start = self.accelerator.process_index * len(prompts)  # TRL returns all processes' rows
        local = rewards[start : start + len(prompts)]
        self._last_reward = (local * self.reward_weights.to(local.device)).nansum(dim=1)
        self._last_correct = local[:, 0] == 1.0
        return rewards

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: list[Any] | None,
        multimodal_fields: Rows,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        config = self.accelerator.unwrap_model(self.model).config
        image_token = getattr(config, "image_token_id", None)
        if images is not None and "image_grid_thw" in multimodal_fields:
            counts = [len(pictures or ()) for pictures in images]
            grid = torch.as_tensor(multimodal_fields["image_grid_thw"])
            check_image_tokens(prompt_ids, grid, counts, image_token, config.vision_config.spatial_merge_size)
        completion_ids, extra = super()._generate_single_turn(
            prompt_ids, images, multimodal_fields, num_generations, has_tool_images
        )
        for row, ids in enumerate(completion_ids):
            if image_token is not None and image_token in ids:
                raise ValueError(f"completion {row} contains the image token {image_token}; suppress it in generation.")
        return completion_ids, extra

    def _generate_and_score_completions(self, inputs: list[Rows]) -> Rows:
        batch = split_pixel_values_by_grid(super()._generate_and_score_completions(inputs))
        batch = {name: value for name, value in batch.items() if name not in ("advantages", "num_items_in_batch")}
        rows = len(inputs)
        group = torch.arange(rows, device=self._last_reward.device) // self.num_generations
        length = batch["completion_mask"].sum(dim=1)
        batch |= {
            "group": group,
            "is_expert": torch.zeros_like(group, dtype=torch.bool),
            "correct": self._last_correct,
            "reward": self.objective.shape_reward(self._last_reward, length),
        }
        self._metrics["train"]["accuracy"].append(self._last_correct.float().mean().item())
        return self._pruned(self._with_experts(batch, inputs))

    def _prepare_inputs(self, generation_batch: list[Rows]) -> Rows:
        steps = self.args.steps_per_generation
        if self._step % (steps * self.num_iterations) == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            self._buffered_inputs = self._micro_batches(batch, len(generation_batch))
        return self._buffered_inputs[self._step % steps]

    def _compute_loss(self, model: PreTrainedModel, inputs: Rows) -> Tensor:
        if not len(inputs["group"]):  # pruning may leave a micro-batch without rows
            return sum((weight.sum() * 0.0 for weight in model.parameters()), torch.zeros((), device=self.args.device))
        log_prob, entropy = self._score(model, inputs)
        rollouts = as_rollouts(inputs, log_prob, entropy)
        losses = self.objective(rollouts, divisors=inputs["divisors"])
        self._note(rollouts, entropy.detach(), losses.terms)
        return losses.total

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: PreTrainedModel | None = None) -> None:
        target = self.accelerator.unwrap_model(self.model if model is None else model)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or not isinstance(target, PreTrainedModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            target.load_state_dict(type(target).from_pretrained(resume_from_checkpoint).state_dict())

    def _with_experts(self, batch: Rows, inputs: list[Rows]) -> Rows:
        """Append one row to each group that has an expert: same prompt and pictures, the expert's tokens."""
        first = [
            row
            for row in range(0, len(inputs), self.num_generations)
            if self.objective.uses_expert and inputs[row]["expert"] is not None
        ]
        if not first:
            return batch
        device = batch["completion_ids"].device
        experts = take_rows(batch, first)
        ids = [torch.tensor(self._expert_ids(inputs[row]), device=device) for row in first]
        experts["completion_ids"] = pad(ids, padding_value=self._tokenizer.pad_token_id)
        experts["completion_mask"] = pad([torch.ones_like(row) for row in ids], padding_value=0)
        experts["reward"] = torch.tensor([inputs[row]["expert_reward"] for row in first], device=device)
        experts["is_expert"] = torch.ones(len(first), dtype=torch.bool, device=device)
        experts["correct"] = torch.ones_like(experts["is_expert"])  # the verifier has filtered the data
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in batch:
                experts[name] = resized(
                    experts[name], experts["prompt_ids"].shape[1] + experts["completion_ids"].shape[1]
                )
        if "old_per_token_logps" in batch:
            with torch.no_grad():
                experts["old_per_token_logps"], _ = self._score(
                    self.model, experts, self.args.per_device_train_batch_size
                )
        return join_rows(batch, experts, pad_token=self._tokenizer.pad_token_id)

    def _expert_ids(self, row: Rows) -> list[int]:
        ids = [*self._tokenizer(row["expert"], add_special_tokens=False)["input_ids"], self._tokenizer.eos_token_id]
        if self._image_pad_token_id in ids:
            raise ValueError(f"the expert's response {row['expert']!r} contains the image token; remove it.")
        return ids

    def _pruned(self, batch: Rows) -> Rows:
        """The rows that the objective keeps, with its advantages."""
        reward, group, is_expert = batch["reward"], batch["group"], batch["is_expert"]
        batch["advantage"] = self.objective.advantage(reward, group, is_expert)
        keep = self.objective.keep(reward, batch["advantage"], group, is_expert)
        self._metrics["train"]["rows"].append(float(keep.sum()))
        return batch if bool(keep.all()) else take_rows(batch, keep.nonzero().flatten().tolist())

    def _micro_batches(self, batch: Rows, rows: int) -> list[Rows]:
        """Whole groups in random order, cut into the micro-batches of one generation."""
        # TRL draws a permutation of rows here; drawing the same one keeps the random stream, and so the next
        # generations, equal to TRL's. Groups follow in the order in which they first appear in it.
        permutation = torch.randperm(rows) // self.num_generations
        order = list(dict.fromkeys(permutation.tolist()))
        size = self.args.per_device_train_batch_size // self.num_generations
        groups = batch["group"].tolist()
        cut = [
            [row for row, group in enumerate(groups) if group in order[start : start + size]]
            for start in range(0, len(order), size)
        ]
        window = self.args.gradient_accumulation_steps
        micro_batches = []
        for start in range(0, len(cut), window):
            part = cut[start : start + window]
            divisors = self._divisors(take_rows(batch, [row for rows in part for row in rows]))
            micro_batches += [take_rows(batch, rows) | {"divisors": divisors} for rows in part]
        return micro_batches

    def _divisors(self, rows: Rows) -> tuple[Tensor, ...] | None:
        """The divisors of one update over all processes, per process (gradients are averaged over processes)."""
        columns = ("completion_mask", "group", "is_expert", "correct", "advantage")
        everyone = gather_object([{name: rows[name].cpu() for name in columns}])
        parts = [part for part in everyone if len(part["group"])]
        if not parts:
            return None
        groups = max(int(part["group"].max()) for part in parts) + 1
        parts = [part | {"group": part["group"] + groups * index} for index, part in enumerate(parts)]
        whole = parts[0]
        for part in parts[1:]:
            whole = join_rows(whole, part, pad_token=0)
        zeros = torch.zeros(whole["completion_mask"].shape)
        divisors = self.objective.divisors(as_rollouts(whole, zeros, zeros))
        return tuple(value / self.accelerator.num_processes for value in divisors)

    def _score(self, model: PreTrainedModel, rows: Rows, batch_size: int | None = None) -> tuple[Tensor, Tensor]:
        """Teacher-forced log-probability and entropy of each response token, [rows, time], in nats."""
        merged = unsplit_pixel_values_by_grid(rows)
        pictures = {name: merged[name] for name in PICTURE_FIELDS if merged.get(name) is not None}
        log_prob, entropy, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([rows["prompt_ids"], rows["completion_ids"]], dim=1),
            torch.cat([rows["prompt_mask"], rows["completion_mask"]], dim=1),
            rows["completion_ids"].shape[1],
            batch_size=batch_size,
            compute_entropy=True,
            **pictures,
        )
        return log_prob, entropy

    def _note(self, rollouts: Rollouts, entropy: Tensor, terms: dict[str, Tensor]) -> None:
        metrics, window = self._metrics["train"], self.current_gradient_accumulation_steps
        for name, share in terms.items():  # TRL averages over micro-batches; the shares of one update add up
            metrics[f"loss/{name}"].append(window * share.item())
        own = rollouts.mask & ~rollouts.is_expert.unsqueeze(1)
        metrics["entropy"].append((entropy[own].sum() / own.sum().clamp(min=1)).item())
        if rollouts.is_expert.any():
            expert = rollouts.token_log_prob.detach()[rollouts.is_expert].sum(dim=1)
            metrics["expert_log_prob"].append(expert.mean().item())


def check_arguments(args: GRPOConfig, objective: Objective) -> None:
    """Refuse options that this trainer would ignore, and batches that would split a group.

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
    if args.per_device_train_batch_size % args.num_generations:
        raise ValueError(
            f"per_device_train_batch_size ({args.per_device_train_batch_size}) must be a multiple of num_generations "
            f"({args.num_generations}): groups stay whole in a micro-batch."
        )
    if args.steps_per_generation % args.gradient_accumulation_steps:
        raise ValueError(
            f"steps_per_generation ({args.steps_per_generation}) must be a multiple of gradient_accumulation_steps "
            f"({args.gradient_accumulation_steps}): one update uses one policy's rollouts."
        )
    if objective.slope_controller is not None:
        raise ValueError(
            "the recipe calibrl_adaptive moves its slope, which this trainer does not do (nor keep in a checkpoint); "
            "use calibrl with a constant --slope, or the toy."
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


def as_rollouts(rows: Rows, log_prob: Tensor, entropy: Tensor) -> Rollouts:
    """A micro-batch as ``calibrl_ref`` reads it.

    Args:
        rows: From ``HybridPolicyTrainer``.
        log_prob: Log-probability of each response token, [rows, time], nats.
        entropy: Entropy there, [rows, time], nats.

    Returns:
        The rollouts. Without older log-probabilities the sampling policy is the current one.
    """
    old = rows.get("old_per_token_logps")
    return Rollouts(
        token_log_prob=log_prob,
        old_token_log_prob=log_prob.detach() if old is None else old,
        mask=rows["completion_mask"].bool(),
        group=rows["group"],
        is_expert=rows["is_expert"],
        correct=rows["correct"],
        advantage=rows["advantage"],
        token_entropy=entropy,
        reference_token_log_prob=rows.get("ref_per_token_logps"),
    )


def take_rows(batch: Rows, rows: Sequence[int]) -> Rows:
    """The chosen rows of every column, in the given order.

    Args:
        batch: Columns with one entry per row.
        rows: Row numbers.

    Returns:
        A new batch.
    """
    return {
        name: column[list(rows)] if isinstance(column, Tensor) else [column[row] for row in rows]
        for name, column in batch.items()
    }


def join_rows(batch: Rows, more: Rows, *, pad_token: int) -> Rows:
    """Two batches below each other; columns that are as long as the response are padded on the right.

    Args:
        batch: The first rows.
        more: The following rows, with the same columns.
        pad_token: For token ids; everything else is padded with 0.

    Returns:
        A new batch.
    """
    joined: Rows = {}
    for name, column in batch.items():
        if isinstance(column, Tensor) and column.ndim == 2:
            width = max(column.shape[1], more[name].shape[1])
            value = pad_token if name == "completion_ids" else 0
            column, other = (resized(part, width, value) for part in (column, more[name]))
            joined[name] = torch.cat([column, other.to(column.dtype)])
        else:
            joined[name] = torch.cat([column, more[name]]) if isinstance(column, Tensor) else [*column, *more[name]]
    return joined


def resized(column: Tensor, width: int, value: int = 0) -> Tensor:
    """Cut or pad a [rows, time] tensor on the right.

    Args:
        column: The tensor.
        width: New length of the time dimension.
        value: Of the padding.

    Returns:
        A [rows, width] tensor.
    """
    return torch.nn.functional.pad(column[:, :width], (0, max(0, width - column.shape[1])), value=value)
