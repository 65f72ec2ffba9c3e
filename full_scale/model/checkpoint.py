"""Loading a checkpoint: weights as safetensors alone, with its adapters merged in, and no code of others."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.modeling_utils import PreTrainedModel

from full_scale.model.place import ADAPTER_FILE, CONFIG_FILE, base_of, check_place, readable
from full_scale.model.processor import Processor, load_processor, reads_pictures
from full_scale.model.sampling import token_ids_only
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.model.shipped import TINY_MODEL as TINY_MODEL  # who loads them wants their names too
from full_scale.model.shipped import TINY_TEXT_MODEL as TINY_TEXT_MODEL

STAGE = "saving-model"
"""Folder in a checkpoint's while it is being written."""


def load_model(folder: str | Path, *, dtype: torch.dtype | str = "auto", remote_code: bool = False) -> PreTrainedModel:
    """A checkpoint, by ``AutoModelForImageTextToText``, or by ``AutoModelForCausalLM`` where it reads text only.

    Its sampling settings are left behind; of a folder of low-rank adapters it is the base with the adapters merged in.

    Args:
        folder: Folder of a checkpoint or of adapters, or a hub id.
        dtype: Of the weights; ``"auto"`` keeps the checkpoint's.
        remote_code: Run code that the checkpoint brings.

    Returns:
        The model.

    Raises:
        ValueError: There is no such checkpoint, or it cannot be read.
    """
    check_place(folder)
    with readable(folder):
        if (Path(folder) / ADAPTER_FILE).is_file():
            return _merged(Path(folder), dtype=dtype, remote_code=remote_code)
        pictures = reads_pictures(folder, remote_code=remote_code)
        kind = AutoModelForImageTextToText if pictures else AutoModelForCausalLM
        model: PreTrainedModel = kind.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=remote_code
        )
        model.generation_config = token_ids_only(model.generation_config)
        return model


def _merged(folder: Path, *, dtype: torch.dtype | str, remote_code: bool) -> PreTrainedModel:
    if find_spec("peft") is None:
        raise ValueError(f"model={str(folder)!r}: expected peft, as it holds adapters. Fix: pip install '.[lora]'")
    from peft import PeftModel  # an extra

    base = load_model(base_of(folder), dtype=dtype, remote_code=remote_code)
    adapted = PeftModel.from_pretrained(base, str(folder))
    merged: PreTrainedModel = adapted.merge_and_unload()
    merged.requires_grad_(True)  # PEFT has frozen the base
    return merged


def load_checkpoint(name: str, *, remote_code: bool = False) -> tuple[PreTrainedModel, Processor]:
    """A model and its processor, on the GPU where there is one.

    Args:
        name: Folder or hub id, or "tiny" or "tiny-text" for a shipped model.
        remote_code: Run code that the checkpoint brings.

    Returns:
        Both.

    Raises:
        ValueError: There is no such checkpoint.
    """
    folder = SHIPPED_MODELS.get(name, name)
    model = load_model(folder, remote_code=remote_code)
    processor = load_processor(folder, remote_code=remote_code)
    model.to("cuda" if torch.cuda.is_available() else "cpu")  # type: ignore[arg-type]  # mypy takes the name for self
    return model, processor


def save_checkpoint(folder: Path, model: PreTrainedModel, processor: Processor) -> None:
    """Write a model and its processor so that a program killed on the way leaves no folder that looks like a model.

    All is written beside, then moved; the file by which a folder counts as a model comes last.

    Args:
        folder: Of the checkpoint; the files of an earlier one are replaced.
        model: The model.
        processor: Its processor.
    """
    stage = folder / STAGE
    model.save_pretrained(stage)
    processor.save_pretrained(stage)
    (folder / CONFIG_FILE).unlink(missing_ok=True)
    for file in sorted(stage.iterdir(), key=lambda file: file.name == CONFIG_FILE):
        file.replace(folder / file.name)
    stage.rmdir()


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
