"""Models with random weights, small enough that a training step takes a fraction of a second."""

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from full_scale.data import expert_response
from full_scale.data.rendered import rendered_problems
from full_scale.model.tiny import build_model, build_processor, build_tokenizer, tiny_config


def tiny_processor():
    problems = rendered_problems(50, seed=0)
    return build_processor(build_tokenizer([problem.question + expert_response(problem) for problem in problems]))


def tiny_model(processor, seed=0):
    return build_model(tiny_config(processor.tokenizer, layers=2, width=32, heads=2), seed=seed)


def tiny_qwen3_vl(processor, seed=0):
    """Qwen3-VL, made small in the same way; its patches are those of the processor."""
    config = tiny_config(processor.tokenizer, layers=2, width=32, heads=2)
    text, vision = config.text_config, config.vision_config
    rotary = {**text.rope_parameters, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    tokens = ("bos_token_id", "eos_token_id", "pad_token_id")
    made = Qwen3VLConfig(
        text_config={name: getattr(text, name) for name in (*sizes, *tokens)}
        | {"num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 2048, "rope_parameters": rotary},
        vision_config={name: getattr(vision, name) for name in ("depth", "hidden_size", "intermediate_size")}
        | {"num_heads": 2, "out_hidden_size": 32, "patch_size": vision.patch_size}
        | {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64},
        tie_word_embeddings=True,
        **{f"{name}_token_id": getattr(config, f"{name}_token_id") for name in ("image", "video", "vision_start")},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration(made)
    model.generation_config.eos_token_id = text.eos_token_id
    model.generation_config.pad_token_id = text.pad_token_id
    return model


def save_tiny_checkpoint(folder):
    processor = tiny_processor()
    tiny_model(processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
