"""Loading a checkpoint, and the two tiny models: real architectures, small enough for a CPU."""

import hashlib
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)
from transformers.modeling_utils import PreTrainedModel

from full_scale.model.processor import Processor, load_processor, reads_pictures

TINY_MODEL = Path(__file__).parent / "tiny_qwen2_5_vl"
TINY_TEXT_MODEL = Path(__file__).parent / "tiny_qwen2"
SHIPPED_MODELS = {"tiny": TINY_MODEL, "tiny-text": TINY_TEXT_MODEL}
"""Name of a shipped checkpoint -> its folder; both are made by ``full_scale/pretrain.py``."""


def load_model(folder: str | Path, *, dtype: torch.dtype | str = "auto") -> PreTrainedModel:
    """A checkpoint, by ``AutoModelForImageTextToText``, or by ``AutoModelForCausalLM`` where it reads text only.

    Args:
        folder: Folder of a checkpoint, or a hub id.
        dtype: Of the weights; ``"auto"`` keeps the checkpoint's.

    Returns:
        The model.
    """
    kind = AutoModelForImageTextToText if reads_pictures(folder) else AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=dtype)


def load_checkpoint(name: str) -> tuple[PreTrainedModel, Processor]:
    """A model and its processor, on the GPU where there is one.

    Args:
        name: Folder or hub id, or "tiny" or "tiny-text" for a shipped model.

    Returns:
        Both.

    Raises:
        ValueError: There is no such checkpoint.
    """
    folder = SHIPPED_MODELS.get(name, name)
    try:
        model, processor = load_model(folder), load_processor(folder)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--model {name!r} is neither a folder with a checkpoint nor a hub id: {reason}") from error
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]  # mypy takes the name for self
    return model, processor


def model_fingerprint(model: PreTrainedModel) -> str:
    """A short digest of names, shapes and a sample of the weights, to notice that a checkpoint has changed.

    Args:
        model: The model.

    Returns:
        Twelve hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, weight in model.named_parameters():
        flat = weight.detach().flatten()
        sample = flat[:: max(1, len(flat) // 16)].float().cpu().numpy()
        digest.update(f"{name} {tuple(weight.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()[:12]
