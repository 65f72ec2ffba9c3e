"""Loading a checkpoint, and the two tiny models: real architectures, small enough for a CPU."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from full_scale.processor import IMAGE_PAD, VIDEO_PAD, VISION_END, VISION_START, reads_pictures

TINY_MODEL = Path(__file__).parent / "tiny_qwen2_5_vl"
TINY_TEXT_MODEL = Path(__file__).parent / "tiny_qwen2"
SHIPPED_MODELS = {"tiny": TINY_MODEL, "tiny-text": TINY_TEXT_MODEL}
"""Name of a shipped checkpoint -> its folder; both are made by ``full_scale/pretrain.py``."""


def tiny_config(
    tokenizer: PreTrainedTokenizerBase, *, layers: int = 4, width: int = 128, heads: int = 4
) -> Qwen2_5_VLConfig:
    """Qwen2.5-VL's configuration, made small: text and vision have the same depth and width.

    Args:
        tokenizer: Gives the vocabulary size and the special ids.
        layers: Layers of the text model and of the vision tower.
        width: Hidden size of both.
        heads: Attention heads of both; ``width / heads`` must be a multiple of 8.

    Returns:
        The configuration (2.2 million parameters with the defaults and 512 tokens).
    """
    head_width = width // heads
    rotary = {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [head_width // 4, *[head_width // 8] * 2],
    }
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 2048,
        "rope_parameters": rotary,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "depth": layers,
        "hidden_size": width,
        "intermediate_size": 3 * width,
        "num_heads": heads,
        "out_hidden_size": width,
        "fullatt_block_indexes": list(range(layers)),
    }
    names = {
        "image_token_id": IMAGE_PAD,
        "video_token_id": VIDEO_PAD,
        "vision_start_token_id": VISION_START,
        "vision_end_token_id": VISION_END,
    }
    ids: dict[str, Any] = {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)


def tiny_text_config(
    tokenizer: PreTrainedTokenizerBase, *, layers: int = 3, width: int = 96, heads: int = 4
) -> Qwen2Config:
    """Qwen2's configuration, made small.

    Args:
        tokenizer: Gives the vocabulary size and the special ids.
        layers: Layers.
        width: Hidden size.
        heads: Attention heads; they divide ``width``.

    Returns:
        The configuration (0.4 million parameters with the defaults and 320 tokens).
    """
    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def build_model(config: Qwen2_5_VLConfig | Qwen2Config, *, seed: int) -> PreTrainedModel:
    """A model with random weights that depend on ``seed`` only; the global random state is left as it was.

    Args:
        config: From :func:`tiny_config` or :func:`tiny_text_config`.
        seed: Of the initial weights.

    Returns:
        The model, float32, in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = (
            Qwen2ForCausalLM(config) if isinstance(config, Qwen2Config) else Qwen2_5_VLForConditionalGeneration(config)
        )
    text = config.get_text_config()
    model.generation_config.eos_token_id = text.eos_token_id
    model.generation_config.pad_token_id = text.pad_token_id
    return model


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
