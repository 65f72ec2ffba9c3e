"""The command that makes the shipped models."""

from pathlib import Path

import pytest
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from full_scale.model.checkpoint import load_model, model_fingerprint
from full_scale.model.processor import load_processor
from full_scale.pretrain import main
from full_scale.training import warm_up


@pytest.mark.slow
def test_it_saves_a_model_and_a_processor_that_load(tmp_path):
    flags = ["--world", "word_problems", "--steps", "4", "--problems", "40", "--out", str(tmp_path / "model")]
    assert main(flags) == 0.0
    model, processor = load_model(tmp_path / "model"), load_processor(tmp_path / "model")
    assert model.config.vocab_size == len(processor)
    with pytest.raises(ValueError, match=r"it is in use \(config.json\). Fix: --overwrite"):
        main(flags)


@pytest.fixture
def unmeasured(monkeypatch):
    """500 held-out answers take most of the time."""
    monkeypatch.setattr(warm_up, "greedy_accuracy", lambda *_, **__: 0.0)


@pytest.mark.parametrize("cut", ["model", "processor", "move"])
def test_what_was_cut_off_while_it_was_saved_is_no_model(tmp_path, monkeypatch, unmeasured, cut):
    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    out, moved = tmp_path / "model", []

    def moving(file, target, replace=Path.replace):
        moved.append(target.name)
        return killed() if len(moved) == 3 else replace(file, target)

    owner = {"model": PreTrainedModel, "processor": PreTrainedTokenizerBase, "move": Path}[cut]
    monkeypatch.setattr(owner, *(("replace", moving) if cut == "move" else ("save_pretrained", killed)))
    with pytest.raises(Killed):
        main(["--world", "word_problems", "--steps", "1", "--problems", "40", "--out", str(out)])
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"neither config.json nor adapters|no such folder"):
        load_model(out)


def test_an_overwritten_model_is_replaced_as_a_whole(tmp_path, unmeasured):
    flags = ["--world", "word_problems", "--steps", "1", "--problems", "40", "--out", str(tmp_path / "model")]
    main(flags)
    first = load_model(tmp_path / "model")
    main([*flags, "--seed", "1", "--overwrite"])
    assert model_fingerprint(load_model(tmp_path / "model")) != model_fingerprint(first)
    assert not (tmp_path / "model" / "saving-model").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "0"], r"steps=0: expected at least 1. Fix: --steps 1\."),
        (["--problems", "0"], "problems=0: expected at least 1"),
        (["--wrld"], r"--wrld: expected a flag of pretrain.py. Fix: did you mean --world\?"),
        (["--world", "shortcuts"], r"expected one of rendered, word_problems, pipelines, shortcut"),
        ([], "it is in use"),  # the shipped model
        (["--world", "word_problems"], "it is in use"),
    ],
)
def test_mistakes_are_refused_before_anything_is_made(flags, message):
    with pytest.raises(ValueError, match=message):
        main(flags)
