"""The benchmark of a training step: each method that it compares makes one, in parts, on the load asked for."""

import pytest
import torch

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
    ((parts,),) = step_parts([name], 1, Load(group_size=2, longest=12, shortest=12)).values()
    whole = parts.pop("")
    assert sum(parts.values()) == pytest.approx(whole)
    assert min(parts[part] for part in (SAMPLING, REWARDS, UPDATE, OPTIMISER)) > 0
    assert 0 < parts[REST] < 0.3 * whole
    assert parts[SAMPLING] + parts[UPDATE] > 0.5 * whole


class Pretender:
    """Stands for a trainer: its steps note who makes them and a random number."""

    def __init__(self, name, steps, made):
        self.name, self.steps, self.made, self.callbacks = name, steps, made, []
        for method in ("_generate", "_calculate_rewards", "_get_per_token_logps_and_entropies", "_prepare_inputs"):
            setattr(self, method, lambda: None)

    def add_callback(self, callback):
        self.callbacks.append(callback)

    def training_step(self):
        if self.name == "broken" and self.made:
            raise ValueError("broken")
        self.made.append((self.name, float(torch.rand(()))))

    def train(self):
        torch.manual_seed(0)
        for _ in range(self.steps):
            for callback in self.callbacks:
                callback.on_step_begin(None, None, None)
            self.training_step()
            for callback in self.callbacks:
                callback.on_step_end(None, None, None)


def pretend(monkeypatch):
    made = []
    monkeypatch.setattr(full_scale, "tiny_trainer", lambda name, _folder, steps, _load: Pretender(name, steps, made))
    return made


def test_trainers_make_their_steps_in_turns_with_the_same_random_numbers(monkeypatch):
    made = pretend(monkeypatch)
    found = step_parts(["one", "two", "three"], 2, Load())
    assert [name for name, _ in made] == ["one", "two", "three"] * 3
    drawn = [number for _, number in made]
    assert drawn == [number for number in drawn[::3] for _ in range(3)]
    assert len(set(drawn)) == 3
    assert {name: len(steps) for name, steps in found.items()} == {"one": 2, "two": 2, "three": 2}


def test_what_goes_wrong_in_a_trainer_is_told(monkeypatch):
    pretend(monkeypatch)
    with pytest.raises(ValueError, match="broken"):
        step_parts(["one", "broken"], 2, Load())


def test_responses_have_the_length_that_is_asked_for(tmp_path):
    trainer = tiny_trainer("calibrl", str(tmp_path), 1, Load(group_size=2, longest=60, shortest=60))
    trainer.train()
    rows = trainer._buffered_inputs[0].rows
    assert rows.response_mask.sum(dim=1)[~rows.is_expert].tolist() == [60] * 8


def test_growth_has_responses_of_one_length_measures_equal_loads_once_and_compares_step_with_step(monkeypatch):
    measured = []

    def parts(names, steps, load):
        measured.append(load)
        return {
            name: [
                dict.fromkeys(("", UPDATE, SAMPLING), float(len(measured) * step * turn))
                for step in range(1, steps + 1)
            ]
            for turn, name in enumerate(names, start=1)
        }

    monkeypatch.setattr(full_scale, "step_parts", parts)
    rows = {row.name: row for row in growth_rows(steps=3)}
    assert len(rows) == 3 * len(GROWTH)
    assert all(load.shortest == load.longest for load in measured)
    assert len(measured) == len(set(measured))
    assert (rows["G = 4"].ours, rows["G = 4"].theirs) == (2.0, 4.0)  # medians of 1, 2, 3 and of 2, 4, 6
    assert rows["G = 8"].ours == rows["112 px"].ours == rows["responses of 48"].ours != rows["G = 16"].ours
