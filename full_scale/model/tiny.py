"""The tiny models that are shipped and trained on a CPU: their configurations, tokenizers and processors."""

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from full_scale.model.processor import (
    END,
    IMAGE_PAD,
    PAD,
    START,
    VIDEO_PAD,
    VISION_END,
    VISION_START,
    ImageTextProcessor,
)


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


SPECIAL_TOKENS = (PAD, START, END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD)

# Qwen's conversation format, with pictures and text in the order of the message.
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Digits stay single, so that arithmetic is the same at every position; tags such as <think> may become one token.
WORD = r"</?[a-z]+>|\d| ?[A-Za-z]+| ?[^\sA-Za-z\d<]+|<|\s+"


def build_tokenizer(texts: Iterable[str], *, vocabulary_size: int = 512) -> PreTrainedTokenizerFast:
    """A small byte-level tokenizer trained on ``texts``: any text can be written, the frequent words are one token.

    Args:
        texts: Training texts.
        vocabulary_size: Tokens in all: 256 bytes, the special tokens, and merges.

    Returns:
        A fast tokenizer with Qwen's special tokens, padding on the left.

    Raises:
        ValueError: If there is no room for the bytes and special tokens.
    """
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocabulary_size < smallest:
        raise ValueError(f"vocabulary_size is {vocabulary_size}; bytes and special tokens need at least {smallest}.")
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(WORD), behavior="isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in SPECIAL_TOKENS]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, padding_side="left")


def build_processor(tokenizer: PreTrainedTokenizerFast, *, image_size: int = 112) -> ImageTextProcessor:
    """The tiny model's processor: pictures of at most ``image_size`` squared pixels, a white background becomes zero.

    A diagram is black lines on white. With the usual mean and deviation of photographs nearly every patch has the same
    large value and the vision tower learns nothing; with mean 1 an empty patch is exactly zero.

    Args:
        tokenizer: From :func:`build_tokenizer`.
        image_size: Side of the largest square picture that is not shrunk, in pixels.

    Returns:
        The processor.
    """
    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 56 * 56, "longest_edge": image_size * image_size},
        image_mean=[1.0, 1.0, 1.0],
        image_std=[0.25, 0.25, 0.25],
    )
    return ImageTextProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)
