"""Every option of a training run, with its meaning and its valid values; presets and flags fill it in."""

import dataclasses
from dataclasses import MISSING, dataclass, field
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from cli.flags import KINDS, choices_of, kind_of
from cli.names import check_choice
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.problems.quarantine import QUARANTINE_FILE
from full_scale.run.methods import hyper_parameters, method_names

if TYPE_CHECKING:
    from calibrl_ref import Schedule


def _option(group: str, text: str, default: object = MISSING, *, least: float | None = None) -> Any:  # noqa: ANN401  # a field of any type, as dataclasses.field
    """A field of :class:`Settings`: its group and meaning, and its smallest value."""
    return field(default=default, metadata={"group": group, "help": text, "least": least})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One training run. Each field is a flag of the same name; its meaning is its help text.

    Raises:
        ValueError: A value has the wrong type or is out of range, or two values contradict each other.
    """

    model: str = _option("model", f"folder or hub id of a checkpoint; {' and '.join(SHIPPED_MODELS)} are shipped")
    dtype: Literal["float32", "bfloat16", "auto"] = _option(
        "model", "of the weights; auto: bfloat16 where the GPU or the CPU multiplies it itself, else float32"
    )
    needs_gpu: bool = _option("model", "refuse to start without a GPU")
    mixed_precision: Literal["none", "bfloat16"] = _option("model", "type of the computation")
    shared_prompt: Literal["auto", "on", "off"] = _option(
        "model", "read a group's prompt once for all its responses; auto: where the model's attention allows it", "auto"
    )
    head_chunk: int = _option("model", "tokens whose logits are held at once when responses are scored", 256, least=1)
    gradient_checkpointing: bool = _option("model", "recompute activations in the backward pass: slower, less memory")
    lora_rank: int = _option("model", "train low-rank adapters of this rank; 0 trains all weights", 0, least=0)
    lora_alpha: int = _option("model", "adapters are scaled by lora_alpha / lora_rank", 32, least=1)
    lora_targets: str = _option(
        "model", "all-linear, or a pattern of the names of layers that get adapters", "all-linear"
    )
    remote_code: bool = _option("model", "run code that the checkpoint brings; read it first", False)

    dataset: str = _option(
        "data",
        "rendered, shortcut, word_problems, arithmetic, pipelines, a folder or file, hub:<id>, "
        "or <layout>:<path or hub:id>",
    )
    experts: str = _option("data", "where experts come from: dataset, column:<name>, file:<path>, answer_only or none")
    trust_experts: bool = _option("data", "take every expert for right, also those that the verifier rejects", False)
    instruct: bool = _option("data", "append the paper's instruction to think first and answer in tags")
    shots: int = _option("data", "solved training problems in front of each question", 0, least=0)
    columns: str | None = _option(
        "data", "what the columns of your own table are called where that is not usual: question=q,answer=a", None
    )
    skip_broken: bool = _option(
        "data",
        f"leave out broken records and list them in {QUARANTINE_FILE}; else the first ends the program",
        False,
    )
    limit: int | None = _option("data", "use only so many training problems", None, least=1)
    max_prompt_length: int = _option("data", "tokens; longer prompts are dropped and counted", least=1)

    group_size: int = _option("rollouts", "sampled responses per prompt, beside the expert's", least=2)
    max_response_length: int = _option("rollouts", "tokens; longer experts are dropped and counted", least=1)
    temperature: float = _option("rollouts", "of the sampled responses", least=1e-6)
    format_weight: float = _option("rollouts", "reward = accuracy + this x format", least=0)
    vllm: Literal["none", "colocate", "server"] = _option(
        "rollouts", "sample with vLLM: in this process, or on a server", "none"
    )
    vllm_memory: float = _option("rollouts", "share of each GPU's memory for a colocated vLLM", 0.3, least=0)
    vllm_url: str | None = _option("rollouts", "address of the vLLM server, such as http://host:8000", None)

    method: str = _option("training", f"one of {', '.join(method_names())}; or with values, calibrl:slope=0.3,...")
    steps: int = _option("training", "updates", least=1)
    prompts_per_step: int = _option("training", "prompts in one update, over all processes", least=1)
    updates_per_sampling: int = _option("training", "updates made with one batch of rollouts", 1, least=1)
    generation_rounds: int = _option(
        "training", "samplings in place of groups that the method drops (DAPO)", 10, least=1
    )
    skip_limit: int = _option("training", "updates in a row with a loss or gradient not finite that end it", 3, least=1)
    micro_batch_rows: int = _option("training", "responses in one forward pass; fastest: whole groups", least=1)
    learning_rate: float = _option("training", "of AdamW, at the start", least=0)
    learning_rate_schedule: Literal["constant", "linear"] = _option("training", "over all steps", "constant")
    weight_decay: float = _option("training", "of AdamW", least=0)
    max_grad_norm: float = _option("training", "gradients are clipped to this norm", least=0)

    save_every: int = _option("run", "updates between two checkpoints", least=1)
    evaluate_problems: int = _option("run", "held-out problems answered before and after training; 0 for none", least=0)
    evaluate_samples: int = _option("run", "sampled answers to each held-out problem", 1, least=1)
    seed: int = _option("run", "of problems, order and sampling", 0, least=0)

    recipe: dict[str, Any] = field(default_factory=dict)
    """The method's hyper-parameters that differ from its defaults."""

    def __post_init__(self) -> None:
        hints = get_type_hints(Settings)
        for option in OPTIONS.values():
            _check_value(option.name, getattr(self, option.name), hints[option.name], option.metadata["least"])
        known = hyper_parameters(self.method)
        for name in self.recipe:
            check_choice(f"hyper-parameter of {self.method}", name, known)
        rows = self.prompts_per_step * self.group_size
        if rows % self.micro_batch_rows:
            raise ValueError(
                f"micro_batch_rows={self.micro_batch_rows}: expected a divisor of prompts_per_step x group_size "
                f"= {rows}. Fix: --micro-batch-rows {self._micro_batch_that_fits(rows)}."
            )
        if self.limit is not None:
            self.check_enough(self.limit, "limit")
        if self.vllm == "server" and self.vllm_url is None:
            raise ValueError("vllm='server': expected an address. Fix: give --vllm-url http://host:8000.")

    def check_enough(self, problems: int, what: str) -> None:
        """Refuse fewer problems than one sampling takes: not a single update could be made.

        Args:
            problems: Their number.
            what: Of what they are, for the message.

        Raises:
            ValueError: They are too few.
        """
        wanted = self.prompts_per_step * self.updates_per_sampling
        if problems < wanted:
            prompts = max(problems // self.updates_per_sampling, 1)
            raise ValueError(
                f"{what}: {problems} problems, but prompts_per_step x updates_per_sampling = {wanted} are drawn."
                f" Fix: more problems, or --prompts-per-step {prompts} "
                f"--micro-batch-rows {self._micro_batch_that_fits(prompts * self.group_size)}."
            )

    def _micro_batch_that_fits(self, rows: int) -> int:
        """The largest divisor of an update's rows that is no larger than what was asked for."""
        return max(size for size in range(1, min(self.micro_batch_rows, rows) + 1) if rows % size == 0)

    @property
    def model_folder(self) -> str:
        """Where the model is read from."""
        return str(SHIPPED_MODELS.get(self.model, self.model))

    def hyper_parameters(self) -> dict[str, Any]:
        """All hyper-parameters of the method."""
        return {name: item.default for name, item in hyper_parameters(self.method).items()} | self.recipe

    def schedule(self) -> "Schedule":
        """The method's stages; a recipe is one stage. A constant length is the longest response unless it was given."""
        from calibrl_ref import Schedule  # here: it imports torch, which a command line does not need

        values = dict(self.recipe)
        if values.get("max_length") is None and "max_length" in self.hyper_parameters():
            values["max_length"] = self.max_response_length
        return Schedule.named(self.method, **values)


OPTIONS = {item.name: item for item in dataclasses.fields(Settings) if item.name != "recipe"}
"""Name of a setting -> its field."""


def _check_value(name: str, value: object, hint: object, least: float | None) -> None:
    if value is None and NoneType in get_args(hint):
        return
    kind = kind_of(hint)
    wanted = (int, float) if kind is float else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        is_text = kind is float and isinstance(value, str)
        fix = "YAML reads 1e-6 as text: write 1.0e-6." if is_text else "write one."
        raise ValueError(f"{name}={value!r}: expected {KINDS[kind]}. Fix: {fix}")
    if choices_of(hint):
        check_choice(name, str(value), choices_of(hint))
    if least is not None and not least <= float(str(value)) < float("inf"):  # also refuses NaN
        raise ValueError(f"{name}={value}: expected at least {least:g}. Fix: --{name.replace('_', '-')} {least:g}.")
