"""The benchmark of a training step: each method that it compares makes one, in parts, on the load asked for."""

import pytest

from benchmarks import full_scale
from benchmarks.full_scale import (
    GROWTH,
    METHODS,
    OPTIMISER,
    REST,
    REWARDS,
    SAMPLING,
    STOCK,
    UPDATE,
    Load,
    growth_rows,
    step_parts,
    tiny_trainer,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(METHODS) - {"calibrl"}))  # for the others see below
def test_each_contender_makes_a_step(name, tmp_path):
    trainer = tiny_trainer(name, str(tmp_path), 1, Load(group_size=2))
    trainer.train()
    assert trainer.state.global_step == 1


def test_larger_pictures_have_more_image_tokens(tmp_path):
    small, large = (tiny_trainer("grpo", str(tmp_path), 1, Load(pixels=pixels)) for pixels in (112, 448))
    pictures = [
        trainer.processing_class(images=row["images"], text=["<|image_pad|>"])["input_ids"]
        for trainer, row in ((small, small.train_dataset[0]), (large, large.train_dataset[0]))
    ]
    assert [len(ids[0]) for ids in pictures] == [16, 256]


@pytest.mark.parametrize("name", [STOCK, "calibrl"])
def test_the_parts_of_a_step_are_the_whole(name):
    (parts,) = step_parts(name, 1, Load(group_size=2, longest=12, shortest=12))
    whole = parts.pop("")
    assert sum(parts.values()) == pytest.approx(whole)
    assert min(parts[part] for part in (SAMPLING, REWARDS, UPDATE, OPTIMISER)) > 0
    assert 0 < parts[REST] < 0.3 * whole
    assert parts[SAMPLING] + parts[UPDATE] > 0.5 * whole


def test_responses_have_the_length_that_is_asked_for(tmp_path):
    trainer = tiny_trainer("calibrl", str(tmp_path), 1, Load(group_size=2, longest=60, shortest=60))
    trainer.train()
    rows = trainer._buffered_inputs[0].rows
    assert rows.response_mask.sum(dim=1)[~rows.is_expert].tolist() == [60] * 8


def test_growth_has_responses_of_one_length_measures_equal_loads_once_and_compares_step_with_step(monkeypatch):
    measured = []

    def parts(name, steps, load):
        measured.append((name, load))
        return [dict.fromkeys(("", UPDATE, SAMPLING), float(len(measured) * step)) for step in range(1, steps + 1)]

    monkeypatch.setattr(full_scale, "step_parts", parts)
    rows = {row.name: row for row in growth_rows(steps=3)}
    assert len(rows) == 3 * len(GROWTH)
    assert all(load.shortest == load.longest for _, load in measured)
    assert len(measured) == len(set(measured))
    assert (rows["G = 4"].ours, rows["G = 4"].theirs) == (2.0, 4.0)  # medians of 1, 2, 3 and of 2, 4, 6
    assert rows["G = 8"].ours == rows["112 px"].ours == rows["responses of 48"].ours != rows["G = 16"].ours
