"""The formula of a run's memory: its states against real tensors, its sizes against a real architecture."""

from pathlib import Path

import pytest
import torch
from tiny import tiny_model, tiny_processor

from benchmarks.gpu import config_3b
from full_scale.model.tiny import build_model
from full_scale.run import memory as formula
from full_scale.run.command_line import read_command_line
from full_scale.run.memory import SIZES, Size, memory, states

SMALL = Size(parameters=1000, layers=2, width=10, inner=30, key_value=4, vocabulary=100)


def test_states_are_the_tensors_of_weights_gradients_and_moments():
    model = tiny_model(tiny_processor())
    optimizer = torch.optim.AdamW(model.parameters(), foreach=False)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    tensors = [tensor for weight in model.parameters() for tensor in (weight, weight.grad)]
    tensors += [moment for state in optimizer.state.values() for name, moment in state.items() if name != "step"]
    count = sum(weight.numel() for weight in model.parameters())
    found = states(count, count, bytes_each=4, trained_bytes=4, gpus=1, sharing="none")
    assert found == sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize(("sharing", "wanted"), [("none", 16_000), ("zero2", 7_000), ("full", 4_000)])
def test_what_is_shared_out(sharing, wanted):
    assert states(1000, 1000, bytes_each=4, trained_bytes=4, gpus=4, sharing=sharing) == wanted


def test_the_sizes_are_those_of_the_architecture():
    with torch.device("meta"):
        model = build_model(config_3b(tiny_processor()), seed=0)
    text, size = model.config.text_config, SIZES["Qwen/Qwen2.5-VL-3B-Instruct"]
    assert sum(weight.numel() for weight in model.parameters()) == size.parameters
    assert (text.num_hidden_layers, text.hidden_size, text.intermediate_size) == (size.layers, size.width, size.inner)
    assert text.vocab_size == size.vocabulary


def test_each_part_by_hand():
    flags = ["--group-size", "4", "--prompts-per-step", "2", "--micro-batch-rows", "2", "--max-response-length", "5"]
    flags += ["--mixed-precision", "bfloat16", "--vllm", "colocate", "--vllm-memory", "0.5"]
    found = memory(read_command_line(flags).settings, SMALL, gpus=4, sharing="full", prompt_tokens=7)
    assert found.states == 4_000
    assert found.gathered == 2 * 2 * 1000 / 2
    assert found.activations == 2 * (2 * 12) * (10 * 2 + 8 * 10 + 3 * 30)
    assert found.logits == 3 * 4 * (2 * 5) * 100
    assert found.sampler == 40 * 2**30
    assert found.total == pytest.approx(4_000 + 2_000 + 2 * 24 * 190 + 12_000 + 40 * 2**30)


def test_adapters_have_their_own_gradients_and_moments_and_their_base_has_none():
    flags = ["--lora-rank", "2", "--dtype", "bfloat16"]
    found = memory(read_command_line(flags).settings, SMALL, gpus=1, sharing="none")
    adapters = 2 * 2 * (9 * 10 + 2 * 4 + 3 * 30)
    assert SMALL.adapters(2) == adapters
    assert found.states == 1000 * 2 + 3 * 4 * adapters
    assert found.gathered == found.sampler == 0


def test_every_preset_for_gpus_has_its_lines():
    lines = formula.table().splitlines()
    assert len({line.split("|")[1] for line in lines[2:]}) == 4
    assert len({len(line.split("|")) for line in lines}) == 1
    page = Path(__file__).parents[3] / "docs" / "scale.md"
    assert formula.table() in page.read_text(encoding="utf-8")
