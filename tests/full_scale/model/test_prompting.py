"""From a problem to what the model reads."""

import copy

import PIL.Image
import pytest
import torch
from tiny import tiny_processor

from full_scale.model.prompting import PROMPT_SUFFIX, behind, conversation, model_inputs, opening, prompt_text
from full_scale.problems.problem import Problem

SQUARE = PIL.Image.new("RGB", (112, 112), "white")
SEEN = Problem(id="p", source="geometry3k", question="Find x", answer="3", images=(SQUARE, SQUARE))
READ = Problem(id="t", source="gsm8k", question="How many?", answer="7")


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def test_a_conversation_is_the_pictures_and_then_the_question():
    (turn,) = conversation(SEEN, instruct=False)
    assert turn["role"] == "user"
    assert turn["content"] == [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Find x"}]
    assert conversation(READ, instruct=False)[0]["content"] == [{"type": "text", "text": "How many?"}]


def test_the_instruction_is_the_papers_and_comes_last():
    (turn,) = conversation(READ, instruct=True)
    assert turn["content"][-1]["text"] == f"How many?\n{PROMPT_SUFFIX}"
    for tag in ("<think>", "</think>", "<answer>", "</answer>", "FIRST think", "MUST BE"):
        assert tag in PROMPT_SUFFIX


def test_a_prompt_ends_where_the_response_begins(processor):
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    assert prompt_text(processor, SEEN, instruct=False) == (
        f"<|im_start|>user\n{mark}{mark}Find x<|im_end|>\n<|im_start|>assistant\n"
    )
    assert PROMPT_SUFFIX in prompt_text(processor, READ, instruct=True)


def test_a_text_models_template_gets_plain_text(processor):
    tokenizer = processor.tokenizer
    tokenizer.chat_template = "{{ messages[0]['content'] + '!' }}"  # a list could not be added to
    assert prompt_text(tokenizer, READ, instruct=False) == "How many?!"


def test_a_batch_is_padded_on_the_left_and_holds_every_picture(processor):
    inputs = model_inputs(processor, [SEEN, READ], instruct=False)
    mask = inputs["attention_mask"]
    assert mask[0].all()
    padding = int((mask[1] == 0).sum())
    assert padding > 0
    assert not mask[1, :padding].any()
    assert torch.all(inputs["input_ids"][1, :padding] == processor.tokenizer.pad_token_id)
    assert len(inputs["image_grid_thw"]) == 2
    assert (inputs["input_ids"] == processor.image_token_id).sum(dim=1).tolist() == [32, 0]


def test_without_pictures_a_tokenizer_will_do(processor):
    tokenizer = tiny_processor().tokenizer
    tokenizer.chat_template = processor.chat_template
    inputs = model_inputs(tokenizer, [READ, READ], instruct=False)
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert torch.equal(inputs["input_ids"][0], inputs["input_ids"][1])


def begun(processor, text, *, tokenizer_only=False):
    """A processor whose chat template begins each response with a text."""
    own = copy.deepcopy(processor.tokenizer if tokenizer_only else processor)
    own.chat_template = processor.chat_template.replace("assistant\n", f"assistant\n{text}")
    assert own.chat_template != processor.chat_template or not text
    return own


@pytest.mark.parametrize("tokenizer_only", [False, True], ids=["pictures", "text"])
@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("", ""),
        ("<think>", "<think>"),
        ("<think>\n", "<think>\n"),
        ("<think></think>\n<think>", "<think>"),
        ("<think></think>", ""),  # thoughts that are closed again: the response begins behind them
        ("<think>\n\\n</think>\\n\\n", ""),
    ],
)
def test_the_opening_is_what_the_template_writes_of_a_response(processor, text, opened, tokenizer_only):
    assert opening(begun(processor, text, tokenizer_only=tokenizer_only)) == opened


def test_a_template_with_thoughts_of_its_own_is_refused(processor):
    with pytest.raises(ValueError, match=r"with '<think>\\nLet me see': .*Fix: delete what follows <think> in"):
        opening(begun(processor, "<think>\nLet me see"))


@pytest.mark.parametrize(
    ("opened", "response", "rest"),
    [
        ("", " <think>a</think>", " <think>a</think>"),
        ("<think>", "<think>\na</think>", "\na</think>"),
        ("<think>", " <think>a</think>", "a</think>"),
        ("<think>\n", "<think>\na</think>", "a</think>"),
        ("<think>\n", "<think>a</think>", "a</think>"),
        ("<think>\n", "a</think>", "a</think>"),
        ("<think>\n", "<answer>5</answer>", "<answer>5</answer>"),
    ],
)
def test_a_response_goes_on_behind_its_opening(opened, response, rest):
    assert behind(opened, response) == rest
