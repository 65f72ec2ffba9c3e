"""Tiny models of several architectures with random weights, and prompts with pictures of random pixels for them."""

import functools
from unittest.mock import patch

import torch
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

VOCABULARY, IMAGE, VISION_START, VISION_END, VIDEO = 64, 60, 61, 62, 63
IDS = {"image_token_id": IMAGE, "video_token_id": VIDEO}
MARKS = {"vision_start_token_id": VISION_START, "vision_end_token_id": VISION_END}
TEXT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def rotary(sections):
    return {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": sections}


def _qwen2_5_vl():
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32}
    text = TEXT | {"hidden_size": 64, "rope_parameters": rotary([4, 2, 2])}
    vision |= {"fullatt_block_indexes": [1], "out_hidden_size": 64}
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision, **IDS, **MARKS))


def _qwen3_vl():
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32}
    vision |= {"deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64}
    text = TEXT | {"head_dim": 16, "rope_parameters": rotary([4, 2, 2]) | {"mrope_interleaved": True}}
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, vision_config=vision, **IDS, **MARKS))


def _internvl():
    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
    vision |= {"image_size": [28, 28], "patch_size": [7, 7]}
    text = TEXT | {"model_type": "qwen2"}
    config = InternVLConfig(text_config=text, vision_config=vision, image_token_id=IMAGE, image_seq_length=4)
    return InternVLForConditionalGeneration(config)


BUILD = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**TEXT)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**TEXT)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**TEXT, head_dim=8)),
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "internvl": _internvl,
}
SEES = ("qwen2_5_vl", "qwen3_vl", "internvl")


@functools.cache
def weights(name):
    torch.manual_seed(0)
    model = BUILD[name]()
    for parameter in model.parameters():  # the usual deviation of 0.02 makes every attention uniform
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.state_dict()


def architecture(name, *, dtype=torch.float64):
    """A new model with the same random weights each time."""
    model = BUILD[name]()
    model.load_state_dict(weights(name))
    model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 1
    for module in model.modules() if dtype == torch.float64 else ():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = functools.partial(norm, module)
    return model.to(dtype)


def norm(module, hidden_states):
    """Root-mean-square norm in the states' own precision."""
    return (
        hidden_states * (hidden_states.pow(2).mean(-1, keepdim=True) + module.variance_epsilon).rsqrt() * module.weight
    )


def double_precision():
    """Transformers computes norms and rotations in single precision also of a double model; within this it does not."""
    return patch.object(torch.Tensor, "float", torch.Tensor.double)


def picture(name, side, generator, dtype):
    """What a processor makes of a picture of ``side`` x ``side`` tokens, and its number of tokens."""
    if name == "internvl":
        return {"pixel_values": torch.randn(1, 3, 28, 28, generator=generator).to(dtype)}, 4
    width = 3 * 2 * (14 if name == "qwen2_5_vl" else 16) ** 2
    patches = torch.randn(4 * side**2, width, generator=generator).to(dtype)
    return {"pixel_values": patches, "image_grid_thw": torch.tensor([[1, 2 * side, 2 * side]])}, side**2


def prompt(name, words, sides, generator, dtype=torch.float64):
    """A prompt's tokens, some text with pictures in front, and what else the model reads of it."""
    ids, seen = [], []
    for side in sides if name in SEES else ():
        inputs, tokens = picture(name, side, generator, dtype)
        seen.append(inputs)
        ids += [VISION_START, *[IMAGE] * tokens, VISION_END]
    ids += torch.randint(2, 60, (words,), generator=generator).tolist()
    return ids, {key: torch.cat([inputs[key] for inputs in seen]) for key in seen[0]} if seen else {}
