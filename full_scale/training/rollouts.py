"""What an update is made of: sampled responses, the experts' rows beside them, and which of them take part.

The first half of :class:`full_scale.training.trainer.HybridPolicyTrainer`; what is overridden is listed there.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch import Tensor
from transformers import TrainerCallback
from transformers.modeling_utils import PreTrainedModel
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.grpo_trainer import RewardFunc
from trl.trainer.utils import pad, split_pixel_values_by_grid, unsplit_pixel_values_by_grid

from calibrl_ref import Objective
from full_scale.model.processor import Processor
from full_scale.training.batching import PICTURE_FIELDS, Rows, first_groups, group_count, join_rows, resized, take_rows
from full_scale.training.checks import check_image_tokens

if TYPE_CHECKING:
    from peft import PeftConfig  # an extra

NOT_OURS = ("advantages", "num_items_in_batch", "sampling_per_token_logps")  # TRL's; the objective has its own


class TrainerOptions(TypedDict, total=False):
    """What ``trl.GRPOTrainer`` is given: its keywords, as far as they are of use here."""

    model: Required[PreTrainedModel]
    reward_funcs: Required[RewardFunc | list[RewardFunc]]
    args: Required[GRPOConfig]
    train_dataset: Required[Dataset]
    processing_class: Required[Processor]
    peft_config: "PeftConfig | None"
    callbacks: list[TrainerCallback]


class HybridRollouts(GRPOTrainer):
    """Rollouts of a group-relative method with experts.

    Args:
        objective: Decides on experts, advantages and which rows take part; may be replaced between generations.
        generation_rounds: As in :class:`~full_scale.training.trainer.HybridPolicyTrainer`.
        kwargs: As in ``trl.GRPOTrainer``.
    """

    # set by TRL's constructor; its annotations allow more, such as None
    args: GRPOConfig
    model: PreTrainedModel
    train_dataset: Dataset
    num_generations: int

    objective: Objective

    def __init__(self, *, objective: Objective, generation_rounds: int, **kwargs: Unpack[TrainerOptions]) -> None:
        if generation_rounds < 1:
            raise ValueError(f"generation_rounds is {generation_rounds}; the first round is needed: at least 1.")
        self.objective, self.generation_rounds = objective, generation_rounds
        super().__init__(**kwargs)
        self._demonstrations: list[list[int]] | None = None  # in place of sampled responses
        self._verdicts: list[Tensor] = []

    def _sampled(self, inputs: list[Rows]) -> Rows:
        """Rows of the given prompts, and of further ones in place of the groups that the objective drops."""
        self._verdicts = []
        wanted, drawn = len(inputs) // self.num_generations, 0
        rounds = [self._generate_and_score_completions(inputs)]
        while len(rounds) < self.generation_rounds and (missing := self._most_missing(rounds, wanted)):
            rounds.append(self._generate_and_score_completions(self._further_prompts(missing, drawn)))
            drawn += missing * self.accelerator.num_processes
        metrics, groups = self._metrics["train"], sum(gather_object([group_count(rounds)]))
        metrics["accuracy"].append(torch.cat(self._verdicts).float().mean().item())
        metrics["sampling_rounds"].append(float(len(rounds)))
        metrics["dropped_groups"].append(float(wanted * self.accelerator.num_processes + drawn - groups))
        return first_groups(rounds, wanted, pad_token=self._tokenizer.pad_token_id)

    def _most_missing(self, rounds: Sequence[Rows], wanted: int) -> int:
        """Groups that the process with the fewest lacks; every process generates as many, as TRL gathers rows."""
        missing: list[int] = gather_object([max(0, wanted - group_count(rounds))])
        return max(missing)

    def _further_prompts(self, count: int, drawn: int) -> list[Rows]:
        """Rows of ``count`` prompts per process, in an order that depends on seed and step only, so that it resumes."""
        generator = torch.Generator().manual_seed(self.args.seed + self.state.global_step)
        order = torch.randperm(len(self.train_dataset), generator=generator).tolist()
        start = drawn + self.accelerator.process_index * count
        prompts = [self.train_dataset[order[(start + number) % len(order)]] for number in range(count)]
        return [row for row in prompts for _ in range(self.num_generations)]

    def _demonstrated(self, inputs: list[Rows]) -> Rows:
        """The experts' rows alone, one per prompt that has one; the model is not called."""
        prompts = inputs[:: self.num_generations]
        self._demonstrations = [self._expert_ids(row) for row in prompts]
        # TRL's statistics are those of sampled responses, of which there are none here.
        statistics, self._metrics["train"] = self._metrics["train"], defaultdict(list)
        group_size, self.num_generations = self.num_generations, 1
        try:
            batch = self._scored(prompts)
        finally:
            self._demonstrations, self.num_generations, self._metrics["train"] = None, group_size, statistics
        rows = torch.arange(len(prompts), device=batch["completion_ids"].device)
        present = [row["expert"] is not None for row in prompts]
        statistics["prompts_without_expert"].append(float(sum(gather_object([present.count(False)]))))
        everyone = torch.ones_like(rows, dtype=torch.bool)
        columns = {
            "group": rows,
            "is_expert": everyone,
            "correct": everyone,
            "advantage": torch.zeros_like(rows).float(),
        }
        return take_rows(batch | columns, [row for row, given in enumerate(present) if given])

    def _scored(self, inputs: list[Rows]) -> Rows:
        """TRL's own rollouts, each row with its pictures; the first is kept for a micro-batch without rows."""
        batch = split_pixel_values_by_grid(super()._generate_and_score_completions(inputs))
        batch = {name: column for name, column in batch.items() if name not in NOT_OURS}
        self._spare = take_rows(batch, [0])
        return batch

    def _generate_and_score_completions(self, inputs: list[Rows]) -> Rows:
        batch = self._scored(inputs)
        group = torch.arange(len(inputs), device=self._last_reward.device) // self.num_generations
        length = batch["completion_mask"].sum(dim=1)
        batch |= {
            "group": group,
            "is_expert": torch.zeros_like(group, dtype=torch.bool),
            "correct": self._last_correct,
            "reward": self.objective.shape_reward(self._last_reward, length),
        }
        return self._pruned(self._with_experts(batch, inputs) if self.objective.uses_expert else batch)

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
            check_image_tokens(prompt_ids, grid, counts, config.image_token_id, config.vision_config.spatial_merge_size)
        if self._demonstrations is not None:
            return self._demonstrations, None
        completion_ids, extra = super()._generate_single_turn(  # type: ignore[no-untyped-call]  # TRL annotates nothing
            prompt_ids, images, multimodal_fields, num_generations, has_tool_images
        )
        for row, ids in enumerate(completion_ids):
            if image_token is not None and image_token in ids:
                raise ValueError(f"completion {row} contains the image token {image_token}; suppress it in generation.")
        return completion_ids, extra

    def _calculate_rewards(
        self, inputs: list[Rows], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> Tensor:
        if self._demonstrations is not None:  # nothing was sampled, so there is nothing to reward
            rows = len(prompts) * self.accelerator.num_processes
            return torch.zeros(rows, len(self.reward_funcs), device=self.accelerator.device)
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        start = self.accelerator.process_index * len(prompts)  # TRL returns all processes' rows
        local = rewards[start : start + len(prompts)]
        self._last_reward = (local * self.reward_weights.to(local.device)).nansum(dim=1)
        self._last_correct = local[:, 0] == 1.0
        self._verdicts.append(rewards[:, 0] == 1.0)
        return rewards

    def _with_experts(self, batch: Rows, inputs: list[Rows]) -> Rows:
        """Append one row to each group that has an expert: same prompt and pictures, the expert's tokens."""
        prompts, device = inputs[:: self.num_generations], batch["completion_ids"].device
        experts = take_rows(batch, range(0, len(inputs), self.num_generations))
        ids = [torch.tensor(self._expert_ids(row), device=device) for row in prompts]
        experts["completion_ids"] = pad(ids, padding_value=self._tokenizer.pad_token_id)
        experts["completion_mask"] = pad([torch.ones_like(row) for row in ids], padding_value=0)
        rewards = [0.0 if row["expert"] is None else row["expert_reward"] for row in prompts]
        experts["reward"] = torch.tensor(rewards, device=device)
        experts["is_expert"] = torch.ones_like(experts["group"], dtype=torch.bool)
        experts["correct"] = torch.ones_like(experts["is_expert"])  # the verifier has filtered the data
        width = experts["completion_ids"].shape[1]
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in batch:
                experts[name] = resized(experts[name], experts["prompt_ids"].shape[1] + width)
        if "ref_per_token_logps" in batch:  # no term compares an expert with the reference policy
            experts["ref_per_token_logps"] = torch.zeros_like(experts["completion_ids"], dtype=torch.float32)
        if "old_per_token_logps" in batch:  # once per group, of all groups: processes must call the model equally often
            with torch.no_grad():
                scores = self._score(self.model, experts, self.args.per_device_train_batch_size)
            experts["old_per_token_logps"] = scores[0]
        present = [row for row, prompt in enumerate(prompts) if prompt["expert"] is not None]
        return join_rows([batch, take_rows(experts, present)], pad_token=self._tokenizer.pad_token_id)

    def _expert_ids(self, row: Rows) -> list[int]:
        """The tokens of the row's expert; the end token alone where there is none."""
        text = row["expert"] or ""
        ids = [*self._tokenizer(text, add_special_tokens=False)["input_ids"], self._tokenizer.eos_token_id]
        if self._image_pad_token_id in ids:
            raise ValueError(f"the expert's response {text!r} contains the image token; remove it.")
        return ids

    def _pruned(self, batch: Rows) -> Rows:
        """The rows that the objective keeps, with its advantages."""
        reward, group, is_expert = batch["reward"], batch["group"], batch["is_expert"]
        batch["advantage"] = self.objective.advantage(reward, group, is_expert)
        keep = self.objective.keep(reward, batch["advantage"], group, is_expert, batch["correct"])
        return batch if bool(keep.all()) else take_rows(batch, keep.nonzero().flatten().tolist())

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
