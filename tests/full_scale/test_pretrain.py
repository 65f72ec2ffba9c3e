"""The command that makes the shipped models."""

import pytest

from full_scale.model.checkpoint import load_model
from full_scale.model.processor import load_processor
from full_scale.pretrain import main


def test_it_saves_a_model_and_a_processor_that_load(tmp_path):
    flags = ["--text", "--steps", "4", "--problems", "40", "--out", str(tmp_path / "model")]
    assert main(flags) == 0.0
    model, processor = load_model(tmp_path / "model"), load_processor(tmp_path / "model")
    assert model.config.vocab_size == len(processor)
    with pytest.raises(ValueError, match=r"it is in use \(config.json\). Fix: --overwrite"):
        main(flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--steps", "0"], r"steps=0: expected at least 1. Fix: --steps 1\."),
        (["--problems", "0"], "problems=0: expected at least 1"),
        (["--txt"], r"--txt: expected a flag of pretrain.py. Fix: did you mean --text\?"),
        ([], "it is in use"),  # the shipped model
        (["--text"], "it is in use"),
    ],
)
def test_mistakes_are_refused_before_anything_is_made(flags, message):
    with pytest.raises(ValueError, match=message):
        main(flags)
