"""The image-only processor, the tokenizer and the shipped model."""

import json
import shutil
from importlib.util import find_spec

import PIL.Image
import pytest
import torch
from tiny import tiny_model, tiny_processor
from transformers import AutoTokenizer

from full_scale.data.rendered import rendered_problems
from full_scale.model.checkpoint import TINY_MODEL, TINY_TEXT_MODEL, load_model
from full_scale.model.processor import IMAGE_PAD, load_processor, reads_pictures
from full_scale.model.prompting import model_inputs
from full_scale.model.shipped import TINY_CODE_MODEL
from full_scale.model.tiny import build_tokenizer
from full_scale.problems.problem import Problem


def test_a_white_picture_becomes_zero_and_gives_one_token_per_four_patches():
    processor = tiny_processor()
    inputs = processor(text=[IMAGE_PAD], images=[PIL.Image.new("RGB", (112, 112), "white")], return_tensors="pt")
    assert inputs["pixel_values"].shape == (64, 1176)
    assert inputs["pixel_values"].abs().max() == 0
    assert inputs["input_ids"].tolist() == [[processor.image_token_id] * 16]
    assert inputs["mm_token_type_ids"].tolist() == [[1] * 16]


def test_any_text_survives_the_tokenizer():
    tokenizer = build_tokenizer(["a few words"])
    text = "∠ABC = 45°, <think>x²</think>\n\\frac{1}{2}"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ValueError, match="vocabulary_size is 100"):
        build_tokenizer([], vocabulary_size=100)


def test_saved_and_loaded_processor_gives_the_same_inputs(tmp_path):
    processor, problems = tiny_processor(), rendered_problems(3, seed=1)
    processor.save_pretrained(tmp_path)
    tiny_model(processor).config.save_pretrained(tmp_path)
    wanted = model_inputs(processor, problems, instruct=True)
    found = model_inputs(load_processor(tmp_path), problems, instruct=True)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone():
    processor = tiny_processor()
    state = torch.random.get_rng_state()
    first, second, other = (tiny_model(processor, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


def test_the_shipped_model_is_small_and_loads():
    assert (TINY_MODEL / "model.safetensors").stat().st_size <= 10_000_000
    assert 2.0e6 < sum(weight.numel() for weight in load_model(TINY_MODEL).parameters()) < 2.5e6


@pytest.mark.parametrize("folder", [TINY_TEXT_MODEL, TINY_CODE_MODEL])
def test_a_shipped_text_model_is_small_and_reads_text(folder):
    assert (folder / "model.safetensors").stat().st_size <= 2_000_000
    assert not reads_pictures(folder)
    assert type(load_model(folder)).__name__ == "Qwen2ForCausalLM"


def test_a_text_models_processor_is_its_tokenizer(tmp_path):
    processor = load_processor(TINY_TEXT_MODEL)
    problem = Problem(id="1", source="here", question="Tom has 30 coins.", answer="30")
    inputs = model_inputs(processor, [problem], instruct=False)
    assert processor.batch_decode(inputs["input_ids"])[0].startswith("<|im_start|>user\nTom has 30 coins.<|im_end|>")
    processor.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.chat_template == processor.chat_template
    assert tokenizer(problem.question).input_ids == processor(problem.question).input_ids


def test_a_text_model_without_chat_template_is_refused(tmp_path):
    shutil.copytree(TINY_TEXT_MODEL, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match=r"expected a chat template, .*Fix: choose an instruction-tuned model"):
        load_processor(tmp_path / "model")


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="with torchvision the processor is loaded")
def test_a_real_processor_without_torchvision_names_the_package(tmp_path):
    shutil.copytree(TINY_MODEL, tmp_path / "model")
    file = tmp_path / "model" / "processor_config.json"
    file.write_text(file.read_text().replace("ImageTextProcessor", "Qwen2_5_VLProcessor"))
    with pytest.raises(ValueError, match=r"torchvision.* is missing\. Fix: pip install '.\[gpu\]'"):
        load_processor(tmp_path / "model")


def test_adapters_are_read_with_their_bases_processor_unless_they_bring_one(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(TINY_TEXT_MODEL)}))
    assert load_processor(tmp_path).get_vocab() == load_processor(TINY_TEXT_MODEL).get_vocab()
    own = load_processor(TINY_TEXT_MODEL)
    own.add_tokens(["<own>"])
    own.save_pretrained(tmp_path)
    assert "<own>" in load_processor(tmp_path).get_vocab()
