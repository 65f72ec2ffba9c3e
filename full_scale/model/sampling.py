"""How tokens are chosen is this program's decision, never a checkpoint's ``generation_config.json``.

``generate`` fills in from the model's own configuration what a caller leaves open: a temperature of 1e-6, top_p or a
repetition penalty, with which released checkpoints come, would change the policy that is trained and measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import GenerationConfig
from transformers.modeling_utils import PreTrainedModel

from full_scale.model.shared_prompt import without_adapters


def token_ids_only(config: GenerationConfig) -> GenerationConfig:
    """A configuration that knows the special tokens and nothing of sampling.

    Args:
        config: A checkpoint's.

    Returns:
        A new one with its begin, end and padding tokens.
    """
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(config, name) for name in names})


@contextmanager
def own_sampling(model: PreTrainedModel) -> Iterator[None]:
    """Within it ``model.generate`` does as it is told, whatever the model's configuration says.

    Args:
        model: The model; its configuration is put back.
    """
    former = model.generation_config
    model.generation_config = token_ids_only(former)
    try:
        yield
    finally:
        model.generation_config = former


def ready_to_generate(model: nn.Module) -> None:
    """Let a model that FSDP2 shards generate; nothing is done to others.

    ``generate`` encodes pictures before it calls the model, which would gather the vision tower's first weights. And
    where a process has ended its own responses, it must go on calling the model for the sake of the others, which
    transformers does for models that it has sharded itself, not for accelerate's.

    Args:
        model: As its processes call it.
    """
    if isinstance(model, FSDPModule):
        inner: Any = without_adapters(model)  # type: ignore[arg-type]  # a PreTrainedModel that FSDP2 gave a further class
        inner._is_fsdp_managed_module = True
        model.unshard()
