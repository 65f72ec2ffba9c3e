"""Every option of a training run, with its meaning and its valid values; presets and flags fill it in."""

import dataclasses
from dataclasses import MISSING, dataclass, field
from types import NoneType
from typing import Any, get_args, get_type_hints

from calibrl_ref import RECIPES, SCHEDULES, Schedule, hyper_parameters
from full_scale.model.checkpoint import SHIPPED_MODELS

METHODS = (*RECIPES, *SCHEDULES)
"""Names for ``--method``."""


def _option(
    group: str, text: str, default: object = MISSING, *, least: float | None = None, valid: tuple[str, ...] = ()
) -> Any:  # noqa: ANN401  # a field of any type, as dataclasses.field
    """A field of :class:`Settings`: its group and meaning, its smallest value, or all its values."""
    return field(default=default, metadata={"group": group, "help": text, "least": least, "valid": valid})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One training run. Each field is a flag of the same name; its meaning is its help text.

    Raises:
        ValueError: A value has the wrong type or is out of range, or two values contradict each other.
    """

    model: str = _option("model", f"folder or hub id of a checkpoint; {' and '.join(SHIPPED_MODELS)} are shipped")
    dtype: str = _option("model", "of the weights", valid=("float32", "bfloat16"))
    needs_gpu: bool = _option("model", "refuse to start without a GPU")
    mixed_precision: str = _option("model", "type of the computation", valid=("none", "bfloat16"))
    gradient_checkpointing: bool = _option("model", "recompute activations in the backward pass: slower, less memory")
    lora_rank: int = _option("model", "train low-rank adapters of this rank; 0 trains all weights", 0, least=0)
    lora_alpha: int = _option("model", "adapters are scaled by lora_alpha / lora_rank", 32, least=1)
    lora_targets: str = _option(
        "model", "all-linear, or a pattern of the names of layers that get adapters", "all-linear"
    )
    lora_dropout: float = _option("model", "dropout in front of the adapters", 0.0, least=0)

    dataset: str = _option("data", "rendered, word_problems, a folder or file, hub:<id>, or <layout>:<path or hub:id>")
    experts: str = _option("data", "where experts come from: dataset, column:<name>, file:<path>, answer_only or none")
    instruct: bool = _option("data", "append the paper's instruction to think first and answer in tags")
    limit: int | None = _option("data", "use only so many training problems", None, least=1)
    max_prompt_length: int = _option("data", "tokens; longer prompts are dropped and counted", least=1)

    group_size: int = _option("rollouts", "sampled responses per prompt, beside the expert's", least=2)
    max_response_length: int = _option("rollouts", "tokens; longer experts are dropped and counted", least=1)
    temperature: float = _option("rollouts", "of the sampled responses", least=1e-6)
    format_weight: float = _option("rollouts", "reward = accuracy + this x format", least=0)
    vllm: str = _option(
        "rollouts", "sample with vLLM: in this process, or on a server", "none", valid=("none", "colocate", "server")
    )
    vllm_memory: float = _option("rollouts", "share of each GPU's memory for a colocated vLLM", 0.3, least=0)
    vllm_url: str | None = _option("rollouts", "address of the vLLM server, such as http://host:8000", None)

    method: str = _option("training", "a recipe or schedule of calibrl_ref", valid=METHODS)
    steps: int = _option("training", "updates", least=1)
    prompts_per_step: int = _option("training", "prompts in one update, over all processes", least=1)
    updates_per_sampling: int = _option("training", "updates made with one batch of rollouts", 1, least=1)
    generation_rounds: int = _option(
        "training", "samplings in place of groups that the method drops (DAPO)", 10, least=1
    )
    micro_batch_rows: int = _option("training", "responses in one forward pass; fastest: whole groups", least=1)
    learning_rate: float = _option("training", "of AdamW, at the start", least=0)
    learning_rate_schedule: str = _option("training", "over all steps", "constant", valid=("constant", "linear"))
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
            _check_value(option.name, getattr(self, option.name), hints[option.name], option.metadata)
        rows = self.prompts_per_step * self.group_size
        if rows % self.micro_batch_rows:
            raise ValueError(
                f"micro_batch_rows ({self.micro_batch_rows}) does not divide prompts_per_step x group_size ({rows}); "
                f"choose a divisor, best a multiple of group_size ({self.group_size})."
            )
        if self.vllm == "server" and self.vllm_url is None:
            raise ValueError("vllm is 'server' without an address; give --vllm-url http://host:8000.")

    @property
    def model_folder(self) -> str:
        """Where the model is read from."""
        return str(SHIPPED_MODELS.get(self.model, self.model))

    def hyper_parameters(self) -> dict[str, Any]:
        """All hyper-parameters of the method."""
        return {item.name: item.default for item in hyper_parameters(self.method)} | self.recipe

    def schedule(self) -> Schedule:
        """The method's stages; a recipe is one stage. A constant length is the longest response unless it was given."""
        values = dict(self.recipe)
        if values.get("max_length") is None and "max_length" in self.hyper_parameters():
            values["max_length"] = self.max_response_length
        return Schedule.named(self.method, **values)


OPTIONS = {item.name: item for item in dataclasses.fields(Settings) if item.name != "recipe"}
"""Name of a setting -> its field."""


def kind_of(hint: object) -> type:
    """The type of a value that may also be None, such as int for ``int | None``."""
    kinds: list[type] = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    return kinds[0]


def _check_value(name: str, value: object, hint: object, metadata: Any) -> None:  # noqa: ANN401  # a mappingproxy
    if value is None and NoneType in get_args(hint):
        return
    kind = kind_of(hint)
    wanted = (int, float) if kind is float else (kind,)
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        hint_text = "; YAML reads 1e-6 as text: write 1.0e-6" if kind is float and isinstance(value, str) else ""
        raise ValueError(f"{name} is {value!r}; it must be of type {kind.__name__}{hint_text}.")
    if metadata["valid"] and value not in metadata["valid"]:
        raise ValueError(f"{name} {value!r} is unknown; valid: {', '.join(metadata['valid'])}.")
    if metadata["least"] is not None and not value >= metadata["least"]:  # also refuses NaN
        raise ValueError(f"{name} is {value}; it must be at least {metadata['least']}.")
