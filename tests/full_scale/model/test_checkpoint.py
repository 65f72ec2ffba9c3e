"""Checkpoints: what is loaded, and that neither pickles nor foreign code are."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny import save_tiny_checkpoint, tiny_model, tiny_processor

from full_scale.model.checkpoint import (
    TINY_MODEL,
    TINY_TEXT_MODEL,
    load_checkpoint,
    load_model,
    model_fingerprint,
    save_checkpoint,
)
from full_scale.model.processor import ImageTextProcessor, load_processor, reads_pictures

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # by peft


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_tiny_checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def copy(tmp_path, checkpoint):
    shutil.copytree(checkpoint, tmp_path / "copy")
    return tmp_path / "copy"


def weights(model):
    return torch.cat([weight.detach().flatten().float() for weight in model.parameters()])


def test_the_kind_of_model_is_the_checkpoints():
    assert type(load_model(TINY_MODEL)).__name__ == "Qwen2_5_VLForConditionalGeneration"
    assert type(load_model(TINY_TEXT_MODEL)).__name__ == "Qwen2ForCausalLM"
    assert reads_pictures(TINY_MODEL)
    assert not reads_pictures(TINY_TEXT_MODEL)


def test_the_type_of_the_weights_can_be_chosen(checkpoint):
    assert load_model(checkpoint).dtype == torch.float32
    assert load_model(checkpoint, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_shipped_models_have_names():
    model, processor = load_checkpoint("tiny")
    assert model.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert isinstance(processor, ImageTextProcessor)
    assert torch.equal(weights(model).cpu(), weights(load_model(TINY_MODEL)))
    assert not hasattr(load_checkpoint("tiny-text")[1], "image_processor")


def test_a_pickle_is_never_loaded(copy):
    (copy / "model.safetensors").unlink()
    torch.save(tiny_model(tiny_processor()).state_dict(), copy / "pytorch_model.bin")
    with pytest.raises(ValueError, match="Fix: weights are read as safetensors alone"):
        load_model(copy)


def test_foreign_code_is_not_run_unless_asked(copy, capfd):
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "own_model", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\nraise ImportError('it ran')\n")
    for load in (load_model, load_checkpoint):
        with pytest.raises(ValueError, match="it brings its own code, which is not run"):
            load(str(copy))
    load_processor(copy)  # this project's own, which needs none
    assert not (copy / "ran").exists()
    assert "[y/N]" not in capfd.readouterr().out  # nobody was asked


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"\x10", "expected a readable checkpoint"),
        ("model.safetensors", None, "Fix: weights are read as safetensors alone"),
        ("config.json", b'{"model', "config.json' is not a valid JSON file|not a valid JSON"),
        ("processor_config.json", b'{"image', "processor_config.json: expected JSON"),
    ],
)
def test_a_damaged_checkpoint_is_named(copy, name, content, message):
    (copy / name).write_bytes(content) if content else (copy / name).unlink()
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(str(copy))
    assert str(copy) in str(caught.value)


@pytest.fixture
def adapted(tmp_path, checkpoint):
    """A folder of adapters that change the model."""
    model = get_peft_model(load_model(checkpoint), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapters")
    return tmp_path / "adapters"


def test_adapters_are_merged_into_their_base(adapted, checkpoint):
    before, after = load_model(checkpoint), load_model(adapted)
    assert type(after) is type(before)
    moved = {
        name
        for (name, one), (_, other) in zip(before.named_parameters(), after.named_parameters(), strict=True)
        if not torch.equal(one, other)
    }
    assert moved
    assert all("q_proj" in name for name in moved)
    assert all(weight.requires_grad for weight in after.parameters())  # it can be trained on
    assert reads_pictures(adapted)
    assert isinstance(load_processor(adapted), ImageTextProcessor)  # the base's, as none was saved here
    after.save_pretrained(adapted.parent / "merged")
    assert model_fingerprint(load_model(adapted.parent / "merged")) == model_fingerprint(after)


def test_a_processor_beside_the_adapters_is_taken(adapted):
    processor = tiny_processor()
    processor.tokenizer.add_tokens(["<own>"])
    processor.save_pretrained(adapted)
    assert "<own>" in load_processor(adapted).tokenizer.get_vocab()


def test_adapters_need_peft(adapted, monkeypatch):
    monkeypatch.setattr("full_scale.model.checkpoint.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"expected peft, as it holds adapters. Fix: pip install '.\[lora\]'"):
        load_model(adapted)


def test_a_fingerprint_notices_a_small_update_a_name_and_a_shape():
    model = tiny_model(tiny_processor())
    before = model_fingerprint(model)
    assert model_fingerprint(model) == before
    assert len(before) == 12
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1e-6
    assert model_fingerprint(model) != before
    one, other = torch.nn.Linear(2, 3, bias=False), torch.nn.Linear(3, 2, bias=False)
    torch.nn.init.zeros_(one.weight)
    torch.nn.init.zeros_(other.weight)
    assert model_fingerprint(one) != model_fingerprint(other)


def test_a_saved_checkpoint_loads_and_replaces_an_earlier_one(copy):
    model, processor = tiny_model(tiny_processor(), seed=1), tiny_processor()
    save_checkpoint(copy, model, processor)
    loaded, _ = load_checkpoint(str(copy))
    assert torch.equal(weights(loaded).cpu(), weights(model))
    assert not [file for file in copy.iterdir() if file.is_dir()]  # nothing is left of the stage


@pytest.mark.parametrize("dies", ["writing", "moving"])
def test_a_save_that_is_cut_off_leaves_the_earlier_model_or_none(copy, monkeypatch, dies):
    model, processor = tiny_model(tiny_processor(), seed=1), tiny_processor()
    former, replace = weights(load_model(copy)), Path.replace

    def die(*_):
        raise KeyboardInterrupt

    def die_at_the_weights(file, target):
        return die() if file.name == "model.safetensors" else replace(file, target)

    if dies == "writing":
        monkeypatch.setattr(processor, "save_pretrained", die)
    else:
        monkeypatch.setattr(Path, "replace", die_at_the_weights)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(copy, model, processor)
    if dies == "writing":
        assert torch.equal(weights(load_model(copy)), former)
    else:  # old weights, new processor: no model
        assert not (copy / "config.json").exists()
        with pytest.raises(ValueError, match="Fix"):
            load_model(copy)


def test_a_fingerprint_notices_a_small_update():
    model = tiny_model(tiny_processor())
    before = model_fingerprint(model)
    assert model_fingerprint(model) == before
    with torch.no_grad():
        for weight in model.parameters():
            weight += 1e-6
    assert model_fingerprint(model) != before
