"""Where a checkpoint is looked for, and what is said when it is not there."""

import json
import re

import pytest
from safetensors import SafetensorError

from full_scale.model import place
from full_scale.model.place import base_of, check_adapters, check_place, check_weights, check_whole, readable
from full_scale.model.shipped import SHIPPED_MODELS, TINY_MODEL


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-VL-3B-Instruct", "a/b", str(TINY_MODEL), TINY_MODEL])
def test_hub_ids_and_checkpoints_pass(name):
    check_place(name)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("./my_model", "check the path"),
        ("/no/such/folder", "check the path"),
        ("tinny", "did you mean 'tiny'?"),
        ("tiny_text", "did you mean 'tiny-text'?"),
        ("my model", "check the path"),
        ("../a/b", "check the path"),
        ("a/b/c", "check the path"),
        ("~/model", "check the path"),
    ],
)
def test_a_missing_folder_is_named_and_the_hub_is_not_asked(name, fix):
    with pytest.raises(ValueError, match="there is no such folder") as caught:
        check_place(name)
    assert str(caught.value).startswith(f"model={name!r}: expected a folder with a checkpoint, a hub id, or tiny")
    assert fix in str(caught.value)


def test_a_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"holds neither config.json nor adapters. Fix: choose another --model"):
        check_place(tmp_path)
    for step in (9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    with pytest.raises(ValueError, match=r"Fix: did you mean .*/checkpoint-10\?"):
        check_place(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="it is a file"):
        check_place(tmp_path / "file")
    for name in ("adapter_config.json", "config.json"):
        (tmp_path / "checkpoint-9" / name).touch()
        check_place(tmp_path / "checkpoint-9")
        (tmp_path / "checkpoint-9" / name).unlink()


def adapters(folder, base):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(base)}))
    return folder


def test_only_adapters_can_be_merged(tmp_path):
    with pytest.raises(ValueError, match=r"--merge: expected a folder with adapter_config\.json.* Fix: --model with"):
        check_adapters(TINY_MODEL)
    with pytest.raises(ValueError, match="there is no such folder"):
        check_adapters("./my_model")
    check_adapters(adapters(tmp_path, TINY_MODEL))


def test_weights_are_looked_at_before_anything_else(tmp_path):
    check_weights(TINY_MODEL)
    check_weights("Qwen/Qwen2.5-VL-3B-Instruct")  # the hub is not asked
    with pytest.raises(ValueError, match="there is no such folder"):
        check_weights("./my_model")
    adapters(tmp_path, TINY_MODEL)
    fix = "Fix: weights are read as safetensors alone"
    with pytest.raises(ValueError, match=f"no file of weights as safetensors.* {fix}"):
        check_weights(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match=fix):
        check_weights(tmp_path)


def test_further_adapters_need_a_whole_model(tmp_path):
    check_whole(TINY_MODEL)
    check_whole("Qwen/Qwen2.5-VL-3B-Instruct")
    folder = adapters(tmp_path, TINY_MODEL)
    fix = f"Fix: python full_scale/evaluate.py --model {folder} --merge FOLDER, then --model FOLDER."
    with pytest.raises(ValueError, match=f"^model='{folder}': .*--lora-rank.*{re.escape(fix)}$"):
        check_whole(folder)


def test_the_base_of_adapters(tmp_path):
    assert base_of(adapters(tmp_path, TINY_MODEL)) == str(TINY_MODEL)
    assert base_of(adapters(tmp_path, "Qwen/Qwen2.5-VL-3B-Instruct")) == "Qwen/Qwen2.5-VL-3B-Instruct"
    for shipped in SHIPPED_MODELS.values():  # trained on another machine
        assert base_of(adapters(tmp_path, f"/elsewhere/project/{shipped.name}")) == str(shipped)
    with pytest.raises(ValueError, match=r"its adapters belong to /gone/model, which is not there. Fix: put it back"):
        base_of(adapters(tmp_path, "/gone/model"))
    (tmp_path / "adapter_config.json").write_text('{"base')
    with pytest.raises(ValueError, match=r"adapter_config.json: expected JSON"):
        base_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "error", "fix"),
    [
        ("a/b", OSError("no such id\nmore"), r"\(no such id\). Fix: check name, network and `hf auth login`\."),
        ("./a", OSError("broken"), r"\(broken\). Fix: check its files\."),
        ("./a", SafetensorError("header of model.safetensors"), "Fix: weights are read as safetensors alone"),
        ("./a", OSError("no file named pytorch_model.bin"), "Fix: weights are read as safetensors alone"),
        ("./a", ValueError("execute; set trust_remote_code=True"), "brings its own code, .*then --remote-code"),
    ],
)
def test_what_libraries_say_becomes_one_line(name, error, fix):
    with pytest.raises(ValueError, match=f"^model='{name}': .*{fix}") as caught, readable(name):
        raise error
    assert "\n" not in str(caught.value)


def test_other_mistakes_go_on_as_they_are():
    with pytest.raises(ValueError, match=r"^other$"), readable("a"):
        raise ValueError("other")
    assert place.HUB_ID.fullmatch("a/b")
