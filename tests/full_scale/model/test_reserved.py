"""Special tokens are no text, and a model must be able to earn the format reward."""

import pytest
from tiny_runs import processor
from transformers import AddedToken

from full_scale.model.checkpoint import TINY_MODEL, TINY_TEXT_MODEL
from full_scale.model.processor import load_processor
from full_scale.model.reserved import TAGS, check_format, reserved_in, reserved_tokens, without_end

SHIPPED = [TINY_MODEL, TINY_TEXT_MODEL]


@pytest.mark.parametrize("folder", SHIPPED, ids=["pictures", "text"])
def test_special_tokens_of_a_model_are_reserved(folder):
    reserved = reserved_tokens(load_processor(folder))
    assert {"<|im_end|>", "<|im_start|>", "<|image_pad|>", "<|endoftext|>"} <= set(reserved)
    assert "<think>" not in reserved
    assert list(reserved) == sorted(reserved, key=lambda token: (-len(token), token))
    check_format(load_processor(folder))


def test_the_token_of_pictures_is_reserved_even_where_it_is_an_ordinary_one():
    own = load_processor(TINY_MODEL)
    own.image_token = "<picture>"
    assert "<picture>" in reserved_tokens(own)


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_is_a_special_token_is_refused(tag):
    own = load_processor(TINY_MODEL)
    own.tokenizer.add_tokens([AddedToken(tag, special=True)])
    with pytest.raises(ValueError, match=f"^{tag}: special tokens in this tokenizer, so no response would show"):
        check_format(own)
    plain = load_processor(TINY_MODEL)
    plain.tokenizer.add_tokens([AddedToken(tag, special=False)])
    check_format(plain)


def test_a_template_that_thinks_itself_is_refused():
    own = load_processor(TINY_MODEL)
    own.chat_template = own.chat_template.replace("assistant\n", "assistant\n<think>Well,")
    with pytest.raises(ValueError, match=r"the chat template ends the prompt with '<think>Well,'"):
        check_format(own)


def test_the_longest_token_is_found():
    assert reserved_in("a <|im_end|> b", reserved_tokens(processor())) == "<|im_end|>"
    assert reserved_in("a < b", reserved_tokens(processor())) is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("so 5<|im_end|>", "so 5"),
        ("so 5 <|im_end|>\n<|endoftext|> \n", "so 5"),
        ("so 5 ", "so 5 "),
        ("<|im_end|> so 5", "<|im_end|> so 5"),
        ("<|im_end|>", ""),
        ("", ""),
    ],
)
def test_end_tokens_at_the_end_are_taken_away(text, left):
    assert without_end(text, reserved_tokens(processor())) == left
