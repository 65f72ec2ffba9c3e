"""How tokens are chosen is this program's decision, never a checkpoint's ``generation_config.json``.

``generate`` fills in from the model's own configuration what a caller leaves open: a temperature of 1e-6, top_p or a
repetition penalty, with which released checkpoints come, would change the policy that is trained and measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from transformers import GenerationConfig
from transformers.modeling_utils import PreTrainedModel


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
