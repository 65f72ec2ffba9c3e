"""TRL's GRPOTrainer with an expert's solution in each group and ``calibrl_ref``'s objectives.

What is overridden, and why (:data:`OVERRIDDEN` holds the signatures that TRL 1.16 gives these methods; a test fails
when a new TRL changes one):

- ``_calculate_rewards``: keeps the rewards, which TRL turns into advantages and forgets.
- ``_generate_single_turn``: checks image tokens against pictures before the model is called, and after it; in a
  supervised stage it hands over the experts' responses, so that nothing is sampled.
- ``_generate_and_score_completions``: expert rows join their group; advantage and pruning are the objective's.
- ``_prepare_inputs``: deals out whole groups, where TRL shuffles single rows, with the divisors of the whole update;
  samples further prompts in place of groups that the objective drops.
- ``_compute_loss``: the loss is ``objective(rollouts)``.
- ``_load_from_checkpoint``: loads through ``from_pretrained``; transformers matches a checkpoint's names literally, and
  a saved Qwen2.5-VL carries its hub names, so a resumed run kept its initial weights with no more than a warning.
- ``_save_checkpoint``, ``train``: a checkpoint remembers method, model and adapted slope; another's is refused.

Generation, reference model, optimiser, distribution, checkpoints and logs are TRL's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack, cast

import torch
from accelerate.utils import gather_object
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel
from transformers.trainer_utils import TrainOutput, get_last_checkpoint

from calibrl_ref import Exploration, Imitation, Objective, Schedule
from full_scale.training.batching import Rows, as_rollouts, chunks, gather_rows, group_members, take_rows
from full_scale.training.checkpoints import Origin, read_origin, write_origin
from full_scale.training.checks import check_arguments
from full_scale.training.gradients import coefficients, looks_beyond_groups, moves_experts
from full_scale.training.rollouts import HybridRollouts, TrainerOptions
from full_scale.training.tally import Tally

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
    "_save_checkpoint": "(self, model, trial)",
    "train": (
        "(self, resume_from_checkpoint: str | bool | None = None, "
        "trial: 'optuna.Trial | dict[str, Any] | None' = None, ignore_keys_for_eval: list[str] | None = None) "
        "-> transformers.trainer_utils.TrainOutput"
    ),
}
"""Method of ``trl.GRPOTrainer`` -> its signature when this file was written."""

UPDATE = ("completion_mask", "group", "is_expert", "correct", "advantage", "old_per_token_logps", "ref_per_token_logps")


class HybridPolicyTrainer(HybridRollouts):
    """GRPO training in which a group may contain an expert's response.

    Each row of the training data needs the columns ``prompt`` (a conversation) and, for a vision-language model,
    ``images``; ``expert`` (the expert's full response, or None) and ``expert_reward`` where the objective uses
    experts. The first reward function decides what is correct: 1 is correct.

    A micro-batch normally holds whole groups. Where ``per_device_train_batch_size`` is no multiple of
    ``num_generations`` (memory is short), or a term compares rows of several groups, the same gradient is taken by
    :mod:`full_scale.training.gradients`'s coefficients, for one more forward pass.

    Args:
        schedule: The objectives of the run, one after another: ``calibrl_ref.Schedule.named(method)``. Its stages
            change where a new batch is generated.
        method: Its name, for checkpoints.
        generation_rounds: Where the objective drops whole groups (DAPO's dynamic sampling), how often further prompts
            may be sampled in their place, the first time included; 1 never samples anew.
        kwargs: As in ``trl.GRPOTrainer``.

    Raises:
        ValueError: If an option of ``args`` contradicts the objective, or would split a group.
    """

    _buffered_inputs: list[Rows] | None  # type: ignore[assignment]  # None is what TRL starts it with

    def __init__(
        self,
        *,
        schedule: Schedule,
        method: str | None = None,
        generation_rounds: int = 10,
        **kwargs: Unpack[TrainerOptions],
    ) -> None:
        for objective, _ in schedule.stages:
            check_arguments(kwargs["args"], objective)
        self.schedule = schedule
        super().__init__(objective=schedule.objective_at(0.0), generation_rounds=generation_rounds, **kwargs)
        self.origin = Origin.of(self.model, method)
        self.adapted_slope: float | None = None

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: object = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """As in transformers, but a checkpoint of another method or model is refused.

        Args:
            resume_from_checkpoint: A checkpoint's folder, or True for the last one of the output folder.
            trial: As in ``transformers.Trainer``.
            ignore_keys_for_eval: As there.

        Returns:
            Steps, mean loss and metrics.

        Raises:
            ValueError: If the checkpoint is of another method or model.
        """
        folder = self.args.output_dir
        checkpoint = get_last_checkpoint(folder) if resume_from_checkpoint is True else resume_from_checkpoint or None
        if checkpoint:
            self.adapted_slope = read_origin(Path(checkpoint), self.origin)
        return super().train(checkpoint, trial, ignore_keys_for_eval)

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[no-untyped-call]  # transformers annotates nothing
        if self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial), f"checkpoint-{self.state.global_step}")
            write_origin(folder, self.origin, slope=self.adapted_slope)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        target = self.accelerator.unwrap_model(self.model if model is None else model)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or not isinstance(target, PreTrainedModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            target.load_state_dict(type(target).from_pretrained(resume_from_checkpoint).state_dict())

    @property
    def _steps_per_generation(self) -> int:
        return cast(int, self.args.steps_per_generation)  # TRL's constructor fills it in

    def _prepare_inputs(self, generation_batch: list[Rows]) -> Rows:  # type: ignore[override]  # TRL does hand it a list
        steps, window = self._steps_per_generation, self.args.gradient_accumulation_steps
        if self._step % (steps * self.num_iterations) == 0 or self._buffered_inputs is None:
            self.objective = self._current_objective()
            supervised = all(isinstance(term, Imitation) for term in self.objective.terms)
            batch = (self._demonstrated if supervised else self._sampled)(generation_batch)
            self._buffered_inputs = self._micro_batches(batch, len(generation_batch))
        index = self._step % steps
        if index % window == 0:
            self._begin_update(self._buffered_inputs[index : index + window])
        return self._buffered_inputs[index]

    def _current_objective(self) -> Objective:
        objective = self.schedule.objective_at(self.state.global_step / max(self.state.max_steps, 1))
        adapted = objective.slope_controller is not None and self.adapted_slope is not None
        return objective.with_exploration(slope=self.adapted_slope) if adapted else objective

    def _micro_batches(self, batch: Rows, rows: int) -> list[Rows]:
        """The groups in random order, cut into the micro-batches of one generation."""
        # TRL draws a permutation of rows here; drawing the same one keeps the random stream, and so the next
        # generations, equal to TRL's. Groups follow in the order in which they first appear in it.
        permutation = torch.randperm(rows) // self.num_generations
        groups = group_members(batch["group"], dict.fromkeys(permutation.tolist()))
        window = self.args.gradient_accumulation_steps
        self._metrics["train"]["rows"].append(float(sum(gather_object([len(batch["group"])]))))
        micro_batches = []
        for update in chunks(groups, self._steps_per_generation // window):
            units = update if self._whole_groups else [[row] for group in update for row in group]
            for part in chunks(units, window):
                own = [row for unit in part for row in unit]
                micro_batches.append(take_rows(batch, own) if own else self._spare | {"idle": True})
        return micro_batches

    @property
    def _whole_groups(self) -> bool:
        """Whether each micro-batch holds all rows that the objective compares with each other."""
        parts = self.args.gradient_accumulation_steps * self.accelerator.num_processes
        fits = self.args.per_device_train_batch_size % self.num_generations == 0
        return fits and (parts == 1 or not looks_beyond_groups(self.objective))

    def _begin_update(self, parts: Sequence[Rows]) -> None:
        self._tally = Tally((term.name for term in self.objective.terms), self.args.device)
        if self._whole_groups:
            self._divisors = self._update_divisors([part for part in parts if "idle" not in part])
        else:
            for part in parts:  # the idle ones too: processes must call the model equally often
                with torch.no_grad():
                    part["log_prob"], part["entropy"] = self._score(self.model, part)
            self._set_coefficients(parts)

    def _update_divisors(self, parts: Sequence[Rows]) -> tuple[Tensor, ...] | None:
        """The divisors of one update over all processes, per process (gradients are averaged over processes)."""
        whole, _ = gather_rows(parts, UPDATE[:5])
        if whole is None:
            return None
        zeros = torch.zeros(whole["completion_mask"].shape)
        divisors = self.objective.divisors(as_rollouts(whole, zeros, zeros))
        return tuple(value / self.accelerator.num_processes for value in divisors)

    def _set_coefficients(self, parts: Sequence[Rows]) -> None:
        """Give each micro-batch its rows' coefficients, and an equal share of the update's loss to report."""
        filled = [part for part in parts if "idle" not in part]
        whole, row = gather_rows(filled, (*UPDATE, "log_prob", "entropy"))
        if whole is None:
            return
        found = coefficients(self.objective, whole, whole["log_prob"], whole["entropy"])
        self._tally.add_terms(found.terms)
        for part in parts:
            part["share"] = found.total.to(self.args.device) / len(parts)
        for part in filled:
            end, width = row + len(part["group"]), part["log_prob"].shape[1]
            for name, values in (("by_log_prob", found.log_prob), ("by_entropy", found.entropy)):
                own = values[row:end, :width] * self.accelerator.num_processes  # gradients are averaged over processes
                part[name] = own.to(part["log_prob"].device)
            row = end

    def _compute_loss(self, model: PreTrainedModel, inputs: Rows) -> Tensor:
        if "idle" in inputs:  # pruning left no row for this micro-batch, but every process must call the model
            loss: Tensor = self._score(model, inputs)[0].sum() * 0.0 + inputs.get("share", 0.0)
        elif self._whole_groups:
            loss = self._group_loss(model, inputs)
        else:
            loss = self._coefficient_loss(model, inputs)
        if self.accelerator.sync_gradients:
            self._end_update()
        return loss

    def _group_loss(self, model: PreTrainedModel, inputs: Rows) -> Tensor:
        rollouts = as_rollouts(inputs, *self._score_with_fixed_experts(model, inputs))
        losses = self.objective(rollouts, divisors=self._divisors)
        self._tally.add_rows(rollouts)
        self._tally.add_terms(losses.terms)
        return losses.total

    def _coefficient_loss(self, model: PreTrainedModel, inputs: Rows) -> Tensor:
        log_prob, entropy = self._score(model, inputs)
        mask = inputs["completion_mask"].bool()
        linear: Tensor = inputs["by_log_prob"] * log_prob + inputs["by_entropy"] * entropy
        loss = linear.where(mask, 0.0).sum()
        share: Tensor = inputs["share"]
        self._tally.add_rows(as_rollouts(inputs, log_prob, entropy))
        return loss - loss.detach() + share

    def _end_update(self) -> None:
        reduce = self.accelerator.reduce
        found = self._tally.metrics(lambda sums: reduce(sums, reduction="sum"), self.accelerator.num_processes)
        if self.objective.slope_controller is not None and "entropy" in found:
            self.objective = self.objective.adapt(found["entropy"])
            slopes = [float(term.slope) for term in self.objective.terms if isinstance(term, Exploration)]
            self.adapted_slope = found["slope"] = slopes[0]
        for name, value in found.items():
            self._metrics["train"][name].append(value)

    def _score_with_fixed_experts(self, model: PreTrainedModel, rows: Rows) -> tuple[Tensor, Tensor]:
        """As :meth:`_score`, but without a backward pass through experts that the objective does not move."""
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled  # there all processes must call the model in step
        expert = rows["is_expert"]
        if sharded or not expert.any() or moves_experts(self.objective):
            return self._score(model, rows)
        own, fixed = (~expert).nonzero().flatten(), expert.nonzero().flatten()
        scores = self._score(model, take_rows(rows, own.tolist()))
        with torch.no_grad():
            expert_scores = self._score(self.model, take_rows(rows, fixed.tolist()))
        place = torch.cat([own, fixed]).argsort()
        log_prob, entropy = (torch.cat(pair)[place] for pair in zip(scores, expert_scores, strict=True))
        return log_prob, entropy
