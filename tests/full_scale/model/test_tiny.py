"""The tiny models: what they are made of."""

import pytest
import torch
from tiny import tiny_processor

from full_scale.model.processor import END, IMAGE_PAD, PAD, START, VIDEO_PAD, VISION_END, VISION_START
from full_scale.model.tiny import (
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    build_model,
    build_processor,
    build_tokenizer,
    tiny_config,
    tiny_text_config,
)


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_processor().tokenizer


def test_the_vision_language_model_is_qwens_made_small(tokenizer):
    config = tiny_config(tokenizer)
    text, vision = config.text_config, config.vision_config
    assert (text.hidden_size, text.intermediate_size, text.num_hidden_layers) == (128, 384, 4)
    assert (text.num_attention_heads, text.num_key_value_heads, text.vocab_size) == (4, 4, len(tokenizer))
    assert text.max_position_embeddings == 2048
    assert text.rope_parameters["mrope_section"] == [8, 4, 4]
    assert text.rope_parameters["rope_theta"] == 10_000.0
    assert (text.bos_token_id, text.eos_token_id, text.pad_token_id) == (
        None,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
    assert (vision.depth, vision.hidden_size, vision.intermediate_size, vision.num_heads) == (4, 128, 384, 4)
    assert (vision.out_hidden_size, vision.fullatt_block_indexes) == (128, [0, 1, 2, 3])
    assert (vision.patch_size, vision.spatial_merge_size) == (14, 2)
    assert config.tie_word_embeddings
    ids = {IMAGE_PAD: "image", VIDEO_PAD: "video", VISION_START: "vision_start", VISION_END: "vision_end"}
    for token, name in ids.items():
        assert getattr(config, f"{name}_token_id") == tokenizer.convert_tokens_to_ids(token)


def test_the_text_model_is_qwen2_made_small(tokenizer):
    config = tiny_text_config(tokenizer)
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (96, 288, 3)
    assert (config.num_attention_heads, config.num_key_value_heads) == (4, 4)
    assert (config.vocab_size, config.max_position_embeddings) == (len(tokenizer), 2048)
    assert config.tie_word_embeddings
    assert (config.eos_token_id, config.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


@pytest.mark.parametrize("make", [tiny_config, tiny_text_config])
def test_a_model_knows_where_to_end_and_is_made_from_its_seed_alone(tokenizer, make):
    config = make(tokenizer, layers=1, width=32, heads=2)
    state = torch.random.get_rng_state()
    first, again, other = (build_model(config, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    one, two, three = (next(iter(model.parameters())) for model in (first, again, other))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)
    assert one.dtype == torch.float32
    assert first.training
    assert first.generation_config.eos_token_id == tokenizer.eos_token_id
    assert first.generation_config.pad_token_id == tokenizer.pad_token_id


def test_the_tokenizer_writes_any_text_and_keeps_digits_apart():
    tokenizer = build_tokenizer(["<think> the angle is 12 </think>"] * 40, vocabulary_size=300)
    assert len(tokenizer) <= 300
    assert tokenizer.tokenize("1234") == ["1", "2", "3", "4"]
    assert tokenizer.tokenize("<think>") == ["<think>"]
    text = "Ω ∠ABC = 45° <b>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.padding_side) == (PAD, END, "left")
    assert SPECIAL_TOKENS == (PAD, START, END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD)
    for token in SPECIAL_TOKENS:
        assert tokenizer.tokenize(f"a{token}b") == ["a", token, "b"]


def test_the_smallest_vocabulary_holds_the_bytes_and_special_tokens():
    assert len(build_tokenizer([], vocabulary_size=263)) == 263
    with pytest.raises(ValueError, match="need at least 263"):
        build_tokenizer([], vocabulary_size=262)


def test_the_processor_makes_white_zero_and_shrinks_large_pictures(tokenizer):
    images = build_processor(tokenizer).image_processor
    assert (list(images.image_mean), list(images.image_std)) == ([1.0] * 3, [0.25] * 3)
    assert (images.size["shortest_edge"], images.size["longest_edge"]) == (56 * 56, 112 * 112)
    assert build_processor(tokenizer, image_size=224).image_processor.size["longest_edge"] == 224 * 224
    assert build_processor(tokenizer).chat_template == CHAT_TEMPLATE


def test_the_template_is_qwens_conversation(tokenizer):
    processor = build_processor(tokenizer)
    said = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
    ]
    wanted = f"{START}user\na{VISION_START}{IMAGE_PAD}{VISION_END}b{END}\n{START}assistant\nc{END}\n"
    assert processor.apply_chat_template(said, tokenize=False) == wanted
    asked = processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    assert asked == f"{wanted}{START}assistant\n"
