"""The formula of a run's memory: its states against real tensors, its sizes against a real architecture."""

from pathlib import Path

import pytest
import torch
from architectures import architecture
from tiny import tiny_model, tiny_processor
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from benchmarks.gpu import config_3b
from full_scale.model.tiny import build_model
from full_scale.run import memory as formula
from full_scale.run.command_line import PRESETS, read_command_line
from full_scale.run.memory import PLACES, SIZES, Size, memory, rows_at_once, states

SMALL = Size(parameters=1000, vision=0, stack=500, layers=2, width=10, inner=30, query=10, key_value=4, vocabulary=100)


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
    assert size_of(model) == SIZES["Qwen/Qwen2.5-VL-3B-Instruct"]


QWEN3_VL = {
    "2B": (24, 1024, 4096, [5, 11, 17]),
    "4B": (24, 1024, 4096, [5, 11, 17]),
    "8B": (27, 1152, 4304, [8, 16, 24]),
}
"""Name -> the vision tower's layers, width, inner size and the layers that text layers read, by its configuration."""


@pytest.mark.parametrize("name", QWEN3_VL)
def test_the_sizes_of_qwen3_vl_are_those_of_its_architecture(name):
    size = SIZES[f"Qwen/Qwen3-VL-{name}-Instruct"]
    depth, width, inner, read = QWEN3_VL[name]
    text = {"vocab_size": size.vocabulary, "hidden_size": size.width, "num_hidden_layers": size.layers}
    text |= {"num_attention_heads": size.query // 128, "num_key_value_heads": size.key_value // 128, "head_dim": 128}
    vision = {"depth": depth, "hidden_size": width, "intermediate_size": inner, "out_hidden_size": size.width}
    config = Qwen3VLConfig(
        text_config=text | {"intermediate_size": size.inner},
        vision_config=vision | {"deepstack_visual_indexes": read},
        tie_word_embeddings=name != "8B",
    )
    with torch.device("meta"):
        assert size_of(Qwen3VLForConditionalGeneration(config)) == size


def size_of(model):
    text = model.config.text_config
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Size(
        parameters=parameters(model),
        vision=parameters(model.model.visual),
        stack=parameters(model.model.language_model.layers),
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        inner=text.intermediate_size,
        query=head * text.num_attention_heads,
        key_value=head * text.num_key_value_heads,
        vocabulary=text.vocab_size,
    )


def parameters(module):
    return sum(weight.numel() for weight in module.parameters())


BY_HAND = ["--group-size", "4", "--prompts-per-step", "2", "--micro-batch-rows", "8", "--max-response-length", "5"]


def test_each_part_by_hand():
    flags = [
        *BY_HAND,
        "--mixed-precision",
        "bfloat16",
        "--vllm",
        "colocate",
        "--vllm-memory",
        "0.5",
        "--head-chunk",
        "3",
    ]
    found = memory(read_command_line(flags).settings, SMALL, gpus=4, sharing="full", prompt_tokens=7)
    assert found.states == 4_000
    assert found.gathered == 2 * 2 * 1000 / 2
    tokens = (8 + 2) * 5 + 2 * 7  # two experts, two prompts
    assert found.activations == 2 * tokens * (10 * 2 + 8 * 10 + 3 * 30)
    assert found.head == 2 * (3 * 100) + 4 * (10 * 5) * 10 + (4 + 4) * 100 * 10
    assert found.sampler == 40 * 2**30
    assert found.total == sum([found.states, found.gathered, found.activations, found.head, found.sampler])


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([], (2, 10)),
        (["--method", "grpo"], (2, 8)),
        (["--shared-prompt", "off"], (10, 10)),
        (["--micro-batch-rows", "2"], (1, 3)),
    ],
    ids=["calibrl", "grpo", "apart", "split"],
)
def test_the_rows_of_a_micro_batch(flags, wanted):
    assert rows_at_once(read_command_line([*BY_HAND, *flags]).settings) == wanted


def test_adapters_have_their_own_gradients_and_moments_and_their_base_has_none():
    flags = ["--lora-rank", "2", "--dtype", "bfloat16", "--max-response-length", "5", "--head-chunk", "1"]
    settings = read_command_line(flags).settings
    found = memory(settings, SMALL, gpus=1, sharing="none")
    adapters = 2 * 2 * (9 * 10 + 2 * 4 + 3 * 30)
    assert SMALL.adapters(2) == adapters
    assert found.states == 1000 * 2 + 3 * 4 * adapters
    assert found.gathered == found.sampler == 0
    assert found.head == 2 * 100 + 4 * rows_at_once(settings)[1] * 5 * 10


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # read by PEFT
def test_the_adapters_are_those_of_an_architecture():
    from peft import LoraConfig, get_peft_model

    model = architecture("qwen3_vl", dtype=torch.float32)  # whose queries are wider than its states
    size = size_of(model)
    pattern = r".*language_model.*(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    adapted = get_peft_model(model, LoraConfig(r=3, target_modules=pattern))
    assert sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad) == size.adapters(3)


@pytest.mark.parametrize("preset", PLACES)
def test_each_preset_fits_the_gpus_that_it_is_made_for(preset):
    (gpus, space), settings = PLACES[preset], read_command_line(["--preset", preset]).settings
    need = memory(settings, SIZES[settings.model], gpus=gpus, sharing="full" if gpus > 1 else "none")
    assert need.total < 0.85 * space * 2**30


def test_every_preset_for_gpus_has_its_lines():
    assert set(PLACES) == {file.stem for file in PRESETS.glob("*.yaml") if "needs_gpu: true" in file.read_text()}
    lines = formula.table().splitlines()
    assert len({line.split("|")[1] for line in lines[2:]}) == len(PLACES)
    assert len({len(line.split("|")) for line in lines}) == 1
    page = Path(__file__).parents[3] / "docs" / "scale.md"
    assert formula.table() in page.read_text(encoding="utf-8")
