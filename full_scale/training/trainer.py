"""TRL's GRPOTrainer with an expert's solution in each group and ``calibrl_ref``'s objectives.

What is overridden, and why (:data:`OVERRIDDEN` holds the signatures that TRL 1.16 gives these methods; a test fails
when a new TRL changes one):

- ``_calculate_rewards``: keeps the rewards, which TRL turns into advantages and forgets.
- ``_tokenize_prompts``, ``_generate``: the processor reads each prompt once; TRL lets it read every row, twice.
- ``_generate_single_turn``: a group's prompt fills the cache once; image tokens are checked against pictures before the
  model is called, and after it; a colocated vLLM gets one image token a picture; transformers' sampling is recorded, so
  that sampler and policy are compared whatever the engine; in a supervised stage it hands over the experts' responses,
  so that nothing is sampled.
- ``_get_per_token_logps_and_entropies``: a group's prompt is read once for all its rows, and rows without a picture are
  scored without; TRL hands the model no pixels for them, at which its vision tower fails.
- ``_prepare_inputs``: deals out whole groups with the experts in them, where TRL shuffles single rows.
- ``_compute_loss``: the loss is that of :class:`~full_scale.training.update.Update`.
- ``_load_from_checkpoint``: loads through ``from_pretrained``; transformers matches a checkpoint's names literally, and
  a saved Qwen2.5-VL carries its hub names, so a resumed run kept its initial weights with no more than a warning.
- ``train``, ``_get_train_sampler``, ``_save_checkpoint``, ``_get_output_dir``, ``_save``: a run goes on exactly from a
  checkpoint, which is written beside and renamed when it is whole; another run's, or a damaged one, is refused. TRL
  draws the first epoch's order again in each epoch that it resumes, forgets the responses that were sampled for
  further updates, and trains on where a run was finished.
- ``_get_grad_norm``, ``log``: an update whose gradient is not finite is left out.
- ``_send_telemetry``: nothing leaves the machine.

Generation, reference model, optimiser, distribution, checkpoints and logs are TRL's.
"""

import logging
import math
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack, cast

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerState
from transformers.modeling_utils import PreTrainedModel
from transformers.trainer import TRAINER_STATE_NAME, TRAINING_ARGS_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, TrainOutput
from trl import GRPOConfig, GRPOTrainer
from trl.data_utils import prepare_multimodal_messages
from trl.trainer.grpo_trainer import RewardFunc
from trl.trainer.utils import RepeatSampler

from calibrl_ref import Objective, Plateau, Schedule
from full_scale.model.head import CHUNK, check_chunk, chunked_head
from full_scale.model.processor import Processor
from full_scale.model.prompting import opening
from full_scale.model.sampling import ready_to_generate
from full_scale.model.shared_prompt import shares_prompts, sharing_generation, without_adapters
from full_scale.run.folder import versions
from full_scale.training.batching import Batch, join
from full_scale.training.checkpoints import (
    Origin,
    Progress,
    finish,
    last_checkpoint,
    load_micro_batches,
    read_checkpoint,
    rollouts_file,
    save_micro_batches,
    skipped_file,
    written_beside,
)
from full_scale.training.checks import (
    check_arguments,
    check_dropout,
    check_image_tokens,
    check_plan,
    check_prompts,
    check_same_prompts,
    check_validation,
    no_advantage,
    plan_of,
)
from full_scale.training.encoding import encode
from full_scale.training.rollouts import as_batch, expert_rows, finite_logits, inputs_of, pruned, sample_groups
from full_scale.training.rows import Expert, Row
from full_scale.training.sampler import FORBIDDEN, GapWatch, recorded, single_image_tokens, told_dtype
from full_scale.training.scoring import shared_scores
from full_scale.training.update import MicroBatch, Update, cut

if TYPE_CHECKING:
    from peft import PeftConfig  # an extra

logger = logging.getLogger(__name__)

PATIENCE = 3
"""Samplings in a row without any advantage after which a warning is due."""

OVERRIDDEN = {
    "_calculate_rewards": "(self, inputs, prompts, completions, completion_ids_list)",
    "_generate_single_turn": "(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False)",
    "_generate": "(self, prompts: list)",
    "_tokenize_prompts": "(self, prompts: list)",
    "_get_per_token_logps_and_entropies": (
        "(self, model, input_ids, attention_mask, logits_to_keep, batch_size=None, compute_entropy=False, "
        "compute_aux_loss=False, pixel_values=None, image_grid_thw=None, num_images=None, pixel_attention_mask=None, "
        "spatial_shapes=None, num_tiles=None, image_sizes=None, token_type_ids=None, mm_token_type_ids=None, "
        "image_position_ids=None) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]"
    ),
    "_prepare_inputs": (
        "(self, generation_batch: dict[str, torch.Tensor | typing.Any]) -> dict[str, torch.Tensor | typing.Any]"
    ),
    "_compute_loss": "(self, model, inputs)",
    "_load_from_checkpoint": (
        "(self, resume_from_checkpoint: str, model: torch.nn.modules.module.Module | None = None) -> None"
    ),
    "_save_checkpoint": "(self, model, trial)",
    "_save": "(self, output_dir: str | None = None, state_dict: dict | None = None) -> None",
    "_get_output_dir": "(self, trial: 'optuna.Trial | dict[str, Any] | None') -> str",
    "_get_train_sampler": (
        "(self, dataset: datasets.arrow_dataset.Dataset | None = None) -> torch.utils.data.sampler.Sampler"
    ),
    "_get_grad_norm": "(self, model, grad_norm=None)",
    "log": "(self, logs: dict[str, float], start_time: float | None = None) -> None",
    "_send_telemetry": "(self)",
    "train": (
        "(self, resume_from_checkpoint: str | bool | None = None, "
        "trial: 'optuna.Trial | dict[str, Any] | None' = None, ignore_keys_for_eval: list[str] | None = None) "
        "-> transformers.trainer_utils.TrainOutput"
    ),
}
"""Method of ``trl.GRPOTrainer`` -> its signature when this file was written."""


class TrainerOptions(TypedDict, total=False):
    """What ``trl.GRPOTrainer`` is given: its keywords, as far as they are of use here."""

    model: Required[PreTrainedModel]
    reward_funcs: Required[RewardFunc | list[RewardFunc]]
    args: Required[GRPOConfig]
    train_dataset: Required[Dataset]
    eval_dataset: Dataset | None
    processing_class: Required[Processor]
    peft_config: "PeftConfig | None"
    callbacks: list[TrainerCallback]


class HybridPolicyTrainer(GRPOTrainer):
    """GRPO training in which a group may contain an expert's response.

    Each row of the training data is a :data:`~full_scale.training.rows.Row`. A reward function says which responses are
    correct by TRL's ``log_extra("correct", verdicts)``; where none does, those to which the first one gives 1 are.

    A micro-batch normally holds whole groups. Where ``per_device_train_batch_size`` is no multiple of
    ``num_generations`` (memory is short), or a term compares rows of several groups, :class:`Update` takes the same
    gradient for one more forward pass.

    Args:
        schedule: The objectives of the run, one after another: ``calibrl_ref.Schedule.named(method)``. Its stages
            change where a new batch is generated. With a plateau the loss on ``eval_dataset``, rows with experts, is
            taken there as well while the first stage lasts.
        method: Its name, for checkpoints.
        generation_rounds: Where the objective drops whole groups (DAPO's dynamic sampling), how often further prompts
            may be sampled in their place, the first time included; 1 never samples anew.
        skip_limit: So many updates in a row that are not finite end the training.
        shared_prompt: Whether a group's prompt is read once, when responses are scored and when transformers samples
            them: "on", "off", or "auto", where the model can. The numbers are the same.
        head_chunk: Tokens whose logits are held at once when responses are scored.
        kwargs: As in ``trl.GRPOTrainer``.

    Raises:
        ValueError: If an option of ``args`` contradicts the objective, or would split a group; if the schedule's
            plateau has no rows; if the model has dropout: the policy that is scored would not be the one that sampled.
    """

    # set by TRL's constructor; its annotations allow more, such as None
    args: GRPOConfig
    model: PreTrainedModel
    train_dataset: Dataset
    eval_dataset: Dataset | None
    num_generations: int
    objective: Objective
    _buffered_inputs: list[MicroBatch] | None  # type: ignore[assignment]  # None is what TRL starts it with

    def __init__(
        self,
        *,
        schedule: Schedule,
        method: str | None = None,
        generation_rounds: int = 10,
        skip_limit: int = 3,
        shared_prompt: str = "auto",
        head_chunk: int = CHUNK,
        **kwargs: Unpack[TrainerOptions],
    ) -> None:
        if generation_rounds < 1:
            raise ValueError(f"generation_rounds is {generation_rounds}; the first round is needed: at least 1.")
        for objective, _ in schedule.stages:
            check_arguments(kwargs["args"], objective)
        check_prompts(len(kwargs["train_dataset"]), kwargs["args"])
        check_chunk(head_chunk)
        check_validation(schedule, kwargs.get("eval_dataset"))
        with told_dtype(kwargs["args"], kwargs["model"]):
            super().__init__(**kwargs)
        if self.use_vllm and self._image_token is not None:  # TRL suppresses it for transformers alone
            self.vllm_generation.generation_kwargs["logit_bias"] = {self._image_token: FORBIDDEN}
        check_dropout(self.model)
        models = [without_adapters(model) for model in (self.model, self.ref_model) if model is not None]
        self.shares_prompts, self.head_chunk = shares_prompts(shared_prompt, *models), head_chunk
        self.schedule, self.generation_rounds, self.skip_limit = schedule, generation_rounds, skip_limit
        self.objective = schedule.objective_at(0.0)
        self.origin = Origin.of(self.model, method, self.args)
        self.progress = Progress()
        self._resumed_at = 0
        self._stage: Path | None = None  # where a checkpoint is being written
        self._demonstrations: list[list[int]] | None = None  # in place of sampled responses
        self._verdicts: list[Tensor] = []
        self._gaps = GapWatch()
        self._spoilt = False  # whether a logit was not finite while responses were sampled

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: object = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> TrainOutput:
        """As in transformers, but a run goes on exactly, and not from a damaged or another run's checkpoint.

        Args:
            resume_from_checkpoint: A checkpoint's folder, or True for the last whole one of the output folder.
            trial: As in ``transformers.Trainer``.
            ignore_keys_for_eval: As there.

        Returns:
            Steps, mean loss and metrics.

        Raises:
            ValueError: If there is no such checkpoint, or it is damaged, or of another method, model or plan; if
                :attr:`skip_limit` updates in a row are not finite.
        """
        self._resumed_at = self._step = 0
        self._buffered_inputs, self.progress, self._gaps = None, Progress(), GapWatch()
        if not resume_from_checkpoint:
            return super().train(None, trial, ignore_keys_for_eval)
        asked = resume_from_checkpoint
        checkpoint = last_checkpoint(self._out) if asked is True else Path(asked)
        manifest = read_checkpoint(checkpoint, self.origin)
        check_plan(manifest, self.args, stages=len(self.schedule.stages))
        self._go_on_from(checkpoint, manifest["updates"])
        if self._resumed_at >= self.args.max_steps:
            return self._finished(checkpoint)
        return super().train(str(checkpoint), trial, ignore_keys_for_eval)

    def _go_on_from(self, checkpoint: Path, updates: int) -> None:
        """Take up what a checkpoint remembers beside what transformers restores."""
        self.progress = Progress.load(checkpoint)
        self._resumed_at = updates
        self._step = updates * self.args.gradient_accumulation_steps
        self._metrics["train"].update(self.progress.metrics)
        rollouts = rollouts_file(checkpoint, self.accelerator.process_index)
        if rollouts.is_file():
            self._buffered_inputs = load_micro_batches(rollouts, self.accelerator.device)
            self.objective = self._objective_at(self.progress.sampled_at)

    def _finished(self, checkpoint: Path) -> TrainOutput:
        """The end of a run that has made all its updates: its weights and its log."""
        if self._sharded:
            raise ValueError(f"{checkpoint}: the run has made all its updates. Fix: evaluate it, or set more --steps.")
        self._load_from_checkpoint(str(checkpoint))
        self.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        return TrainOutput(self.state.global_step, 0.0, {})

    def sample(self, prompts: list[Row]) -> Batch:
        """Sample responses, and let the experts' rows join their groups.

        Args:
            prompts: Each ``num_generations`` times.

        Returns:
            The rows that the objective keeps, with rewards and advantages.
        """
        batch = self._as_batch(self._complete(prompts), self._last_reward, self._last_correct)
        self._spare = batch.take([0])
        return pruned(self._with_experts(batch, prompts) if self.objective.uses_expert else batch, self.objective)

    def demonstrate(self, prompts: list[Row]) -> Batch:
        """The experts' rows alone, one per prompt that has one; the model is not called.

        Args:
            prompts: Each ``num_generations`` times.

        Returns:
            The rows.
        """
        rows = self._demonstrated(prompts[:: self.num_generations])
        missing = len(prompts) // self.num_generations - len(rows)
        self._metrics["train"]["prompts_without_expert"].append(float(sum(gather_object([missing]))))
        return rows

    def validation_loss(self) -> float:
        """The first stage's own loss on the experts of ``eval_dataset``."""
        rows, (supervised, _) = self._demonstrated(list(cast(Dataset, self.eval_dataset))), self.schedule.stages[0]
        with torch.no_grad():
            scores = self.score(self.model, rows, self.args.per_device_train_batch_size)
        loss = supervised(rows.rollouts(*scores)).total
        return float(self.accelerator.gather(loss).mean())  # of the same rows: processes must decide alike

    def _demonstrated(self, prompts: list[Row]) -> Batch:
        """The experts' rows of prompts that are given once each."""
        experts: list[Expert | None] = [row["expert"] for row in prompts]
        self._demonstrations = [list(expert.ids) if expert else [self._pad_token] for expert in experts]
        # TRL's statistics are those of sampled responses, of which there are none here.
        statistics, self._metrics["train"] = self._metrics["train"], defaultdict(list)
        group_size, self.num_generations = self.num_generations, 1
        try:
            reward = torch.zeros(len(prompts), device=self.accelerator.device)
            batch = self._as_batch(self._complete(prompts), reward, reward > 0)
        finally:
            self._demonstrations, self.num_generations, self._metrics["train"] = None, group_size, statistics
        self._spare = batch.take([0])
        present = [row for row, expert in enumerate(experts) if expert is not None]
        return expert_rows(batch, experts, pad_token=self._pad_token).take(present)

    def score(self, model: PreTrainedModel, rows: Batch, batch_size: int | None = None) -> tuple[Tensor, Tensor]:
        """Teacher-forced log-probability and entropy of each response token.

        Args:
            model: The policy, wrapped or not.
            rows: Prompts and responses.
            batch_size: Rows at once; None: all.

        Returns:
            Both, [rows, time], in nats.
        """
        log_prob, entropy = self._scores(model, rows, batch_size, with_entropy=True)
        return log_prob, cast(Tensor, entropy)

    def _scores(
        self, model: PreTrainedModel, rows: Batch, batch_size: int | None, *, with_entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        """As :meth:`score`; a reference model gives no entropies."""
        size, score = batch_size or len(rows), self._shared_scores if self.shares_prompts else self._stock_scores
        chunks = [rows.take(range(start, min(start + size, len(rows)))) for start in range(0, len(rows), size)]
        vocabulary, places = self.model.config.get_text_config().vocab_size, size * rows.response_mask.shape[1]
        with chunked_head(self.head_chunk, places=places, vocabulary=vocabulary):
            parts = [score(model, chunk, with_entropy) for chunk in chunks]
        entropies = [entropy for _, entropy in parts if entropy is not None]
        return torch.cat([log_prob for log_prob, _ in parts]), torch.cat(entropies) if with_entropy else None

    def _shared_scores(self, model: PreTrainedModel, rows: Batch, with_entropy: bool) -> tuple[Tensor, Tensor | None]:
        with self.accelerator.autocast():
            inner = without_adapters(self.accelerator.unwrap_model(model))
            return shared_scores(model, inner, rows, with_entropy=with_entropy)

    def _stock_scores(self, model: PreTrainedModel, rows: Batch, with_entropy: bool) -> tuple[Tensor, Tensor | None]:
        log_prob, entropy, _ = super()._get_per_token_logps_and_entropies(
            model,
            torch.cat([rows.prompt_ids, rows.response_ids], dim=1),
            torch.cat([rows.prompt_mask, rows.response_mask], dim=1),
            rows.response_ids.shape[1],
            compute_entropy=with_entropy,
            **inputs_of(rows.model_inputs, range(len(rows))),
        )
        return log_prob, entropy

    def _get_per_token_logps_and_entropies(
        self,
        model: PreTrainedModel,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **_: object,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        kinds = {"ids": input_ids, "mask": attention_mask}
        columns = {f"prompt_{kind}": both[:, :-logits_to_keep] for kind, both in kinds.items()}
        columns |= {f"completion_{kind}": both[:, -logits_to_keep:] for kind, both in kinds.items()}
        reward = torch.zeros(len(input_ids), device=input_ids.device)
        rows = self._as_batch(columns, reward, reward > 0)
        return (*self._scores(model, rows, batch_size, with_entropy=compute_entropy), None)

    def _as_batch(self, columns: dict[str, Any], reward: Tensor, correct: Tensor) -> Batch:
        size = self.num_generations
        return as_batch(columns, self._rows, self._encoding, reward=reward, correct=correct, group_size=size)

    def _complete(self, prompts: list[Row]) -> dict[str, Any]:
        """TRL's rollouts of the prompts. It is not told of their pictures, which it would encode for each row again."""
        check_same_prompts(prompts, self.num_generations)
        self._rows = prompts
        texts = [
            prepare_multimodal_messages(row["prompt"], row["images"]) if row["images"] else row["prompt"]
            for row in prompts
        ]
        shown = [{**row, "prompt": text} for row, text in zip(prompts, texts, strict=True)]
        for row in shown:
            del row["images"]
        columns: dict[str, Any] = super()._generate_and_score_completions(shown)
        return columns

    @property
    def _out(self) -> Path:
        return Path(cast(str, self.args.output_dir))

    @property
    def _steps_per_generation(self) -> int:
        return cast(int, self.args.steps_per_generation)  # TRL's constructor fills it in

    @property
    def _generate_every(self) -> int:
        """Micro-batches between two samplings."""
        return self._steps_per_generation * self.num_iterations

    @property
    def _pad_token(self) -> int:
        return cast(int, self._tokenizer.pad_token_id)

    @property
    def _sharded(self) -> bool:
        """Whether all processes must call the model in step."""
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _prepare_inputs(self, generation_batch: list[Row]) -> MicroBatch:  # type: ignore[override]  # TRL does hand it a list
        steps, window = self._steps_per_generation, self.args.gradient_accumulation_steps
        if self._step % self._generate_every == 0 or self._buffered_inputs is None:
            self._buffered_inputs = self._generation(generation_batch)
        index = self._step % steps
        if index % window == 0:
            parts = self._buffered_inputs[index : index + window]
            peek = partial(self.score, self.model)
            self._update = Update(self.objective, parts, whole_groups=self._whole_groups, peek=peek)
        return self._update.micro_batches[index % window]

    def _compute_loss(self, model: PreTrainedModel, inputs: MicroBatch) -> Tensor:
        apart = not self._sharded and not self.shares_prompts  # a shared prompt is read for the experts as well
        score_fixed = partial(self.score, self.model) if apart else None
        loss = self._update.loss(inputs, partial(self.score, model), score_fixed=score_fixed)
        if self.accelerator.sync_gradients:
            self._end_update()
        return loss

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Tensor | float | None = None) -> Tensor | float | None:
        norm: Tensor | float | None = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]  # transformers annotates nothing
        if norm is None or math.isfinite(norm):
            self.progress.skipped_in_a_row = 0
        else:  # of all processes' gradients, so that all processes do the same
            self._skip(model)
        return norm

    def _skip(self, model: torch.nn.Module) -> None:
        """Leave an update out: without gradients the optimiser changes neither weights nor its own state."""
        for weight in model.parameters():
            weight.grad = None
        self.progress.skipped += 1
        self.progress.skipped_in_a_row += 1
        self._metrics["train"]["skipped_updates"].append(float(self.progress.skipped))
        number, parts = self.state.global_step + 1, self._update.micro_batches
        file = skipped_file(self._out, number, self.accelerator.process_index)
        save_micro_batches(file, parts)
        problems = sorted({name for part in parts for name in part.rows.problem})
        message = f"update {number} was left out: its loss or gradient is not finite (problems {', '.join(problems)})"
        if self.progress.skipped_in_a_row >= self.skip_limit:
            raise ValueError(
                f"{message}, the last of {self.progress.skipped_in_a_row} in a row. Its rows are in {file}. "
                "Fix: resume with a lower --learning-rate, or look at these rows."
            )
        logger.warning(f"{message}; its rows are in {file}")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As in TRL, but the loss of an update that was left out is NaN, where transformers writes an average."""
        if self.progress.skipped_in_a_row and "grad_norm" in logs:
            logs["loss"] = math.nan
        super().log(logs, start_time)

    def _send_telemetry(self) -> None:
        """Tell nobody: TRL would look up its hub for every trainer that is built."""

    def _end_update(self) -> None:
        found = self._update.metrics()
        if self.objective.adapted and "entropy" in found:
            self.objective = self.objective.adapt(found["entropy"])
            self.progress.adapted = {name: float(value) for name, value in self.objective.adapted.items()}
            found |= self.progress.adapted
        for name, value in found.items():
            self._metrics["train"][name].append(value)
        if "sampler_gap/mean" in found:
            self._gaps.see(found["sampler_gap/mean"], found["sampler_gap/max"])

    def _generation(self, prompts: list[Row]) -> list[MicroBatch]:
        """The micro-batches of one sampling, whole groups in random order."""
        self._spoilt, self.progress.sampled_at = False, self.state.global_step
        self._watch_plateau()
        self.objective = self._objective_at(self.progress.sampled_at)
        supervised = self.objective.is_supervised
        rows = self.demonstrate(prompts) if supervised else self._sample_groups(prompts)
        if self._spoilt:  # the updates with these rows will be left out
            rows = replace(rows, advantage=torch.full_like(rows.advantage, math.nan))
        self._metrics["train"]["rows"].append(float(sum(gather_object([len(rows)]))))
        if not supervised:
            self._watch_advantages(rows)
        # TRL draws a permutation of rows here; drawing the same one keeps the random stream, and so the next
        # generations, equal to TRL's. Groups follow in the order in which they first appear in it.
        order = dict.fromkeys((torch.randperm(len(prompts)) // self.num_generations).tolist())
        window = self.args.gradient_accumulation_steps
        updates = self._steps_per_generation // window
        return cut(rows, list(order), updates=updates, parts=window, whole_groups=self._whole_groups, spare=self._spare)

    def _watch_advantages(self, rows: Batch) -> None:
        """Warn where nothing is learnt since all responses of every group earn the same."""
        learnt = bool((rows.advantage[~rows.is_expert] != 0).any())
        in_a_row = 0 if any(gather_object([learnt])) else self.progress.equal_in_a_row + 1
        self.progress.equal_in_a_row = in_a_row
        if in_a_row == PATIENCE and self.accelerator.is_main_process:
            logger.warning(no_advantage(in_a_row, right=torch.cat(self._verdicts).float().mean().item()))

    def _watch_plateau(self) -> None:
        """While the first stage lasts, ask whether its validation loss still falls."""
        update, losses = self.progress.sampled_at, self.progress.validation_losses
        plateau = self.schedule.plateau
        if plateau is None or not self.schedule.asks_at(self._share_of(update), left_at=self._left_at):
            return
        losses.append(self.validation_loss())
        self._metrics["train"]["validation_loss"].append(losses[-1])
        if reduce(Plateau.step, losses, plateau).reached:
            self.progress.left_at = update

    def _share_of(self, updates: int) -> float:
        return updates / max(self.args.max_steps, 1)

    @property
    def _left_at(self) -> float | None:
        """The share of the updates after which a plateau ended the first stage."""
        return None if self.progress.left_at is None else self._share_of(self.progress.left_at)

    def _objective_at(self, update: int) -> Objective:
        """The objective of a sampling that was made after so many updates."""
        objective = self.schedule.objective_at(self._share_of(update), left_at=self._left_at)
        same_names = objective.adapted.keys() == self.progress.adapted.keys()
        return objective.with_adapted(self.progress.adapted) if same_names else objective

    @property
    def _whole_groups(self) -> bool:
        """Whether each micro-batch holds all rows that the objective compares with each other."""
        parts = self.args.gradient_accumulation_steps * self.accelerator.num_processes
        fits = self.args.per_device_train_batch_size % self.num_generations == 0
        return fits and (parts == 1 or self.objective.scope != "batch")

    def _sample_groups(self, prompts: list[Row]) -> Batch:
        self._verdicts = []
        size, rounds = self.num_generations, self.generation_rounds
        found = sample_groups(
            self.sample, prompts, self._further_prompts, group_size=size, rounds=rounds, pad_token=self._pad_token
        )
        metrics = self._metrics["train"]
        metrics["accuracy"].append(torch.cat(self._verdicts).float().mean().item())
        metrics["sampling_rounds"].append(float(found.rounds))
        metrics["dropped_groups"].append(float(found.dropped_groups))
        return found.rows

    def _further_prompts(self, count: int, drawn: int) -> list[Row]:
        """Rows of ``count`` prompts per process, in an order that depends on seed and step only, so that it resumes."""
        generator = torch.Generator().manual_seed(self.args.seed + self.state.global_step)
        order = torch.randperm(len(self.train_dataset), generator=generator).tolist()
        start = drawn + self.accelerator.process_index * count
        prompts = [self.train_dataset[order[(start + number) % len(order)]] for number in range(count)]
        return [row for row in prompts for _ in range(self.num_generations)]

    def _with_experts(self, batch: Batch, prompts: list[Row]) -> Batch:
        """Append one row to each group that has an expert."""
        experts: list[Expert | None] = [row["expert"] for row in prompts[:: self.num_generations]]
        rows = expert_rows(batch, experts, pad_token=self._pad_token)
        if rows.old_log_prob is not None:  # of all groups: processes must call the model equally often
            with torch.no_grad():
                scores = self.score(self.model, rows, self.args.per_device_train_batch_size)
            rows = replace(rows, old_log_prob=scores[0])
        present = [row for row, expert in enumerate(experts) if expert is not None]
        return join([batch, rows.take(present)], pad_token=self._pad_token)

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: list[Any] | None,
        multimodal_fields: Row,
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], Any]:
        model, encoding, image_token = self.accelerator.unwrap_model(self.model), self._encoding, self._image_token
        if (grid := encoding.generation_inputs(num_generations).get("image_grid_thw")) is not None:
            counts = [count for count in encoding.counts for _ in range(num_generations)]
            merge_size = model.config.vision_config.spatial_merge_size
            check_image_tokens(prompt_ids, grid, counts, model.config.image_token_id, merge_size)
        if self._demonstrations is not None:
            return self._demonstrations, None
        if self.use_vllm and self.vllm_mode == "colocate" and image_token is not None:
            prompt_ids = [single_image_tokens(ids, image_token) for ids in prompt_ids]
        shared = self.shares_prompts and not self.use_vllm and not self.use_transformers_continuous_batching
        sharing = sharing_generation(model, num_generations) if shared else nullcontext()
        fields, calls = encoding.generation_inputs(1 if shared else num_generations), without_adapters(model)
        ready_to_generate(model)
        with finite_logits(calls) as spoilt, recorded(calls, self.temperature) as recording, sharing:
            completion_ids, log_probs = super()._generate_single_turn(  # type: ignore[no-untyped-call]  # TRL annotates nothing
                prompt_ids, images, fields, num_generations, has_tool_images
            )
        self._spoilt |= bool(spoilt)
        for row, ids in enumerate(completion_ids):
            if image_token is not None and image_token in ids:
                raise ValueError(f"completion {row} contains the image token {image_token}; suppress it in generation.")
        return completion_ids, log_probs if self.use_vllm else recording.of(completion_ids)

    @property
    def _image_token(self) -> int | None:
        return getattr(self.accelerator.unwrap_model(self.model).config, "image_token_id", None)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], list[Any] | None, dict[str, Any]]:
        copies, device = self.num_generations, self.accelerator.device
        self._encoding = encode(super()._tokenize_prompts, prompts[::copies], device)
        ids = [list(ids) for ids in self._encoding.ids for _ in range(copies)]
        pictures = [pictures or None for pictures in self._encoding.pictures for _ in range(copies)]
        return ids, pictures if any(pictures) else None, {}

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        *others, _, tool_images = super()._generate(prompts)
        return (*others, None, tool_images)

    def _calculate_rewards(
        self, inputs: list[Row], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> Tensor:
        if self._demonstrations is not None:  # nothing was sampled, so there is nothing to reward
            rows = len(prompts) * self.accelerator.num_processes
            return torch.zeros(rows, len(self.reward_funcs), device=self.accelerator.device)
        opened = opening(cast(Processor, self.processing_class))
        whole = [[{**turn, "content": opened + turn["content"]}] for (turn,) in completions]
        rewards: Tensor = super()._calculate_rewards(self._rows, prompts, whole, completion_ids_list)
        start = self.accelerator.process_index * len(prompts)  # TRL returns all processes' rows
        local = rewards[start : start + len(prompts)]
        self._last_reward = (local * self.reward_weights.to(local.device)).nansum(dim=1)
        said = self._pending_extra_logs.get("correct")
        self._last_correct = local[:, 0] == 1.0 if said is None else torch.tensor(said, device=local.device)
        self._verdicts.append(self.accelerator.gather(self._last_correct))
        return rewards

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Sampler[int]:
        sampler: Sampler[int] = super()._get_train_sampler(dataset)
        if isinstance(sampler, RepeatSampler) and sampler.shuffle and len(sampler):
            rows = cast(int, self.args.generation_batch_size) * self.args.gradient_accumulation_steps
            for _ in range(self._resumed_at * rows // len(sampler)):  # the epochs before the one that is gone on with
                torch.randperm(sampler.num_samples, generator=sampler.generator)
        return sampler

    def _get_output_dir(self, trial: Any) -> str:  # noqa: ANN401  # optuna's
        return super()._get_output_dir(trial) if self._stage is None else str(self._stage)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save:  # a pickle that nothing reads
            Path(output_dir or self._out, TRAINING_ARGS_NAME).unlink(missing_ok=True)

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        name, is_main = f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}", self.args.should_save
        with written_beside(self._out, name, is_main=is_main) as self._stage:
            try:
                self.accelerator.wait_for_everyone()
                super()._save_checkpoint(model, trial)  # type: ignore[no-untyped-call]  # transformers annotates nothing
                self._save_progress(self._stage / name)
                self.accelerator.wait_for_everyone()
                if is_main:
                    finish(self._stage, name, self._about(), keep=self.args.save_total_limit)
                self.accelerator.wait_for_everyone()
            finally:
                self._stage = None

    def _save_progress(self, folder: Path) -> None:
        """Add what transformers does not keep."""
        self.progress.metrics = {name: list(values) for name, values in self._metrics["train"].items()}
        if self.args.should_save:
            self.progress.save(folder)
        if self._step % self._generate_every and self._buffered_inputs is not None:
            save_micro_batches(rollouts_file(folder, self.accelerator.process_index), self._buffered_inputs)

    def _about(self) -> dict[str, Any]:
        about: dict[str, Any] = {"updates": self.state.global_step, "plan": plan_of(self.args)}
        return about | {"origin": asdict(self.origin), "versions": versions()}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        target = self.accelerator.unwrap_model(self.model if model is None else model)
        if self._sharded or not isinstance(target, PreTrainedModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            target.load_state_dict(type(target).from_pretrained(resume_from_checkpoint).state_dict())
