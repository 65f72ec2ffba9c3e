"""The GPU benchmark, on a tiny model and the CPU."""

import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from benchmarks.gpu import CONTENDERS, config_3b, main
from full_scale.model.checkpoint import TINY_MODEL
from full_scale.model.processor import load_processor

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


@pytest.mark.slow
def test_the_script_runs_a_step_of_each_method(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--prompts", "2", "--group-size", "2", "--response", "12", "--picture", "56"]
    figures = main(["--tiny", "--steps", "1", *small])
    assert figures.keys() == CONTENDERS.keys()
    assert all(value > 0 for row in figures.values() for value in row.values())
    assert "calibrl, prompts shared" in capsys.readouterr().out
    assert (tmp_path / "runs" / "bench" / "gpu.json").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_message_says_what_to_do():
    with pytest.raises(ValueError, match="no GPU was found; run with --tiny"):
        main([])


def test_the_large_configuration_has_the_parameters_of_qwen2_5_vl_3b():
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config_3b(load_processor(TINY_MODEL)))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(3.75e9, rel=0.01)
