"""A model out of a GGUF file: the same weights, a tokenizer that takes digits one by one, a folder like any other.

The file's reader is a package of the extra smollm2; where it is absent, what it gives is played by a tiny Llama.
"""

import json
from importlib.util import find_spec

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from full_scale.model import gguf
from full_scale.model.checkpoint import load_model
from full_scale.model.gguf import save_unpacked
from full_scale.model.processor import load_processor

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for turn in messages %}<|im_start|>{{ turn.content }}<|im_end|>{% endfor %}"
WORDS = {token: place for place, token in enumerate([*SPECIAL, *LETTERS, "12", "ab"])}


def tiny_llama():
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config)


def whole_numbers_tokenizer():
    """As transformers reads it: "12" is one token."""
    core = Tokenizer(models.BPE(WORDS, [("1", "2"), ("a", "b")]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    named = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    return PreTrainedTokenizerFast(tokenizer_object=core, chat_template=TEMPLATE, **named)


class Reader:
    """Stands for a class of transformers that reads the file."""

    def __init__(self, made):
        self.made, self.asked = made, []

    def from_pretrained(self, folder, **options):
        self.asked.append((folder, options))
        return self.made


@pytest.fixture
def read(monkeypatch):
    """The model that the file's reader gives, as if it were quantized and its settings were the file's."""
    model = tiny_llama()
    model.config._name_or_path = "somewhere"
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, max_new_tokens=7)
    read_model, read_tokenizer = Reader(model), Reader(whole_numbers_tokenizer())
    told = model.config.to_dict() | {"quantization_config": {"quant_method": "gguf"}}
    monkeypatch.setattr(model.config, "to_dict", lambda: told, raising=False)
    monkeypatch.setattr(gguf, "find_spec", lambda name: name == "gguf" or None)
    monkeypatch.setattr(gguf, "AutoModelForCausalLM", read_model)
    monkeypatch.setattr(gguf, "AutoTokenizer", read_tokenizer)
    return read_model, read_tokenizer


@pytest.fixture
def unpacked(read, tmp_path):
    parameters = save_unpacked(tmp_path / "packed" / "tiny.gguf", tmp_path / "out")
    return tmp_path / "out", parameters


def test_both_are_read_from_the_file_in_full_precision(read, unpacked, tmp_path):
    (model_asked,), (tokenizer_asked,) = read[0].asked, read[1].asked
    assert model_asked == (tmp_path / "packed", {"gguf_file": "tiny.gguf", "dtype": torch.float32})
    assert tokenizer_asked == (tmp_path / "packed", {"gguf_file": "tiny.gguf", "padding_side": "left"})


def test_the_saved_model_computes_what_the_read_one_does(read, unpacked):
    folder, parameters = unpacked
    saved, ids = load_model(folder), torch.tensor([[4, 9, 200]])
    torch.testing.assert_close(saved(ids).logits, read[0].made(ids).logits, rtol=0, atol=0)
    width, inner, tokens = 32, 32, len(WORDS)
    attention = 2 * width * width + 2 * width * (width // 2)  # one of two heads for keys and values
    assert parameters == tokens * width + attention + 3 * width * inner + 3 * width  # tied embeddings count once
    assert saved.num_parameters() == parameters


def test_the_folder_is_that_of_an_ordinary_checkpoint(unpacked):
    folder, _ = unpacked
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert "somewhere" not in (folder / "config.json").read_text()
    assert {file.suffix for file in folder.iterdir()} <= {".json", ".safetensors", ".jinja"}


def test_digits_are_tokens_one_by_one_and_nothing_is_put_in_front(unpacked):
    tokenizer = load_processor(unpacked[0])
    assert tokenizer.tokenize("12ab12") == ["1", "2", "ab", "1", "2"]
    assert tokenizer.decode(tokenizer("ab 12")["input_ids"]) == "ab 12"


def test_padding_is_not_the_end_of_an_answer(read, unpacked):
    folder, _ = unpacked
    tokenizer, model = load_processor(folder), load_model(folder)
    assert (tokenizer.pad_token, tokenizer.pad_token_id, tokenizer.eos_token_id) == ("<|endoftext|>", 0, 2)
    assert model.config.pad_token_id == model.generation_config.pad_token_id == 0
    assert json.loads((folder / "generation_config.json").read_text())["max_new_tokens"] == 7


def test_without_the_reader_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(gguf, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"gguf: expected the package.*Fix: pip install '\.\[smollm2\]'"):
        save_unpacked(tmp_path / "tiny.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("gguf") is None, reason="needs the package gguf, of the extra smollm2")
def test_a_real_file_is_unpacked(tmp_path):
    file, model = tmp_path / "tiny.gguf", tiny_llama()
    write_gguf(file, model)
    parameters = save_unpacked(file, tmp_path / "out")
    saved, ids = load_model(tmp_path / "out"), torch.tensor([[4, 9, 200]])
    torch.testing.assert_close(saved(ids).logits, model(ids).logits, rtol=1e-5, atol=1e-6)
    assert parameters == model.num_parameters()
    assert load_processor(tmp_path / "out").tokenize("12ab") == ["1", "2", "ab"]


def write_gguf(file, model):
    """The model as a file of llama.cpp's format, weights in float32; query and key rows in its order."""
    from gguf import GGUFWriter

    config, writer = model.config, GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(list(WORDS))
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(WORDS) - len(SPECIAL)))
    writer.add_token_merges(["1 2", "a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "model.layers.0.self_attn.q_proj": "blk.0.attn_q",
        "model.layers.0.self_attn.k_proj": "blk.0.attn_k",
        "model.layers.0.self_attn.v_proj": "blk.0.attn_v",
        "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
        "model.layers.0.mlp.gate_proj": "blk.0.ffn_gate",
        "model.layers.0.mlp.up_proj": "blk.0.ffn_up",
        "model.layers.0.mlp.down_proj": "blk.0.ffn_down",
        "model.layers.0.input_layernorm": "blk.0.attn_norm",
        "model.layers.0.post_attention_layernorm": "blk.0.ffn_norm",
    }
    for name, weight in model.named_parameters():
        value, heads = weight.detach(), {"q_proj": 2, "k_proj": 1}.get(name.split(".")[-2])
        if heads:
            value = value.reshape(heads, 2, value.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(value.shape)
        writer.add_tensor(f"{names[name.removesuffix('.weight')]}.weight", value.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
