"""A language model in one GGUF file, unpacked into an ordinary folder of a checkpoint."""

from importlib.util import find_spec
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from full_scale.model.checkpoint import save_checkpoint


def save_unpacked(file: Path, out: Path) -> int:
    """Write the model of a GGUF file as safetensors, with its tokenizer.

    transformers refuses to save a model that it read from GGUF, so the weights go into a fresh one; and it forgets that
    SmolLM's tokenizer takes digits one by one (``tokenizer.ggml.pre`` is "smollm").

    Args:
        file: Of a Llama with tied embeddings, as SmolLM2's.
        out: Folder of the checkpoint.

    Returns:
        Number of parameters.

    Raises:
        ValueError: The package that reads the format is missing.
    """
    if find_spec("gguf") is None:
        raise ValueError("gguf: expected the package that reads the file. Fix: pip install '.[smollm2]'")
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    told = read.config.to_dict()
    for name in ("quantization_config", "_name_or_path", "transformers_version"):
        told.pop(name, None)
    model = LlamaForCausalLM(LlamaConfig(**told))
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, padding_side="left")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.pad_token = "<|endoftext|>"  # the file's is the end of an answer, which would not be learnt then
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    save_checkpoint(out, model, tokenizer)
    return model.num_parameters()
