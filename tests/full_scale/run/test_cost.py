"""The formula of an update's cost: by hand, against a model's own operations, and its limits."""

from dataclasses import replace

import pytest
import torch
from architectures import architecture
from torch.utils.flop_counter import FlopCounterMode

from full_scale.run.command_line import read_preset
from full_scale.run.cost import BANDWIDTH, MODELS, REACHED, Work, forward, reading, scoring, seconds, table, writing
from full_scale.run.memory import SIZES, Size

TINY = Size(parameters=100, vision=10, stack=50, layers=2, width=4, inner=8, query=4, key_value=4, vocabulary=9)
WORK = Work(prompts=3, prompt=6, picture=2, responses=4, response=2)


def test_a_pass_has_a_models_own_operations():
    """But for attention, which a model computes without its mask, and the head of a prompt."""
    model = architecture("llama", dtype=torch.float32)
    model.set_attn_implementation("eager")  # the others' operations are not counted on a CPU
    size = Size(
        parameters=0,
        vision=0,
        stack=sum(weight.numel() for weight in model.model.layers.parameters() if weight.ndim > 1),
        layers=2,
        width=32,
        inner=48,
        query=32,
        key_value=16,
        vocabulary=64,
    )
    with FlopCounterMode(display=False) as counted:
        model(torch.arange(20).view(1, 20), use_cache=False)
    found = forward(size, Work(prompt=0, picture=0, response=20), prompts=0, responses=1)
    unmasked = 4 * 2 * 32 * 20 * 20 / 2
    assert counted.get_total_flops() == found + unmasked


def test_an_update_that_nobody_describes_has_the_presets_prompts_and_responses():
    preset, work = read_preset("qwen2.5-vl-7b"), Work()
    assert (work.prompts, work.responses) == (preset["prompts_per_step"], preset["group_size"])
    assert (work.prompt, work.picture, work.response) == (1024, 900, 1024)
    assert (work.expert, work.checkpointed) == (True, True)


def test_sharing_reads_a_prompt_once_and_changes_nothing_else():
    apart, shared = (scoring(TINY, WORK, shared=shared) for shared in (False, True))
    prompt = forward(TINY, WORK, prompts=1, responses=0)
    assert apart - shared == 4 * 3 * (WORK.scored - 1) * prompt
    assert reading(TINY, WORK, shared=False) == 4 * reading(TINY, WORK, shared=True) == 4 * 3 * prompt
    assert scoring(TINY, replace(WORK, responses=0), shared=True) == scoring(
        TINY, replace(WORK, responses=0), shared=False
    )


def test_without_checkpointing_a_fourth_less_and_without_an_expert_one_response_less():
    assert scoring(TINY, replace(WORK, checkpointed=False), shared=True) == 0.75 * scoring(TINY, WORK, shared=True)
    assert scoring(TINY, replace(WORK, expert=False), shared=True) == scoring(
        TINY, replace(WORK, responses=3), shared=True
    )


def test_writing_reads_the_weights_for_each_token_and_each_responses_cache():
    one = writing(TINY, WORK, 1)
    assert one == 2 * (2 * 100 + 4 * 2 * 4 * (6 + 1) * 12)
    assert writing(TINY, WORK, 10**9) == pytest.approx(2 * 2 * 100)


def test_more_gpus_take_less_until_the_weights_are_what_is_read():
    size = SIZES[MODELS["7B"]]
    taken = [seconds(size, Work(), gpus, shared=True) for gpus in (1, 8, 64, 10**9)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0][1] == pytest.approx(8 * taken[1][1])
    assert taken[-1][0] == pytest.approx(1024 * 2 * size.parameters / (BANDWIDTH * REACHED), rel=1e-3)


def test_the_table_has_each_model_at_each_number_of_gpus():
    lines = [line.split("|")[1:-1] for line in table().splitlines()[2:]]
    assert [(line[0].strip(), int(line[1])) for line in lines] == [(m, n) for m in MODELS for n in (1, 8, 64)]
    for line in lines:
        figures = [float(cell.replace(",", "")) for cell in line[2:]]
        assert figures[1] < figures[0]
        assert figures[3] < figures[2]
        assert figures[4] < 1
        assert figures[6] < figures[5]
