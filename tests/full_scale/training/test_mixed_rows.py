"""Rows without a picture train beside rows with one, two or three."""

import dataclasses

import pytest
import torch
from tiny_runs import logged, losses, processor, run, weights, with_recipe

from full_scale.data.rendered import rendered_problems
from full_scale.training.rows import training_rows

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


def mixed(counts):
    drawn = rendered_problems(8, seed=0)
    pictures = [problem.images[0] for problem in drawn]
    problems = [
        dataclasses.replace(problem, images=tuple(pictures[: counts[place % len(counts)]]))
        for place, problem in enumerate(drawn)
    ]
    return training_rows(
        problems, processor(), instruct=False, format_weight=0.1, max_prompt_length=400, max_response_length=48
    )[0]


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (0,), (0, 3, 1, 2)])
def test_text_only_rows_train_and_the_cut_does_not_matter(counts, tmp_path):
    kind = with_recipe("calibrl")
    whole = run(kind, tmp_path / "whole", data=mixed(counts), max_steps=1)
    parts = run(
        kind,
        tmp_path / "parts",
        data=mixed(counts),
        max_steps=1,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
    )
    assert torch.isfinite(weights(whole.model)).all()
    assert torch.allclose(weights(whole.model), weights(parts.model), atol=1e-6)


def test_several_updates_of_one_sampling_in_parts_without_a_picture(tmp_path):
    """The sampling policy's log-probabilities are taken in parts, of which some have no picture."""
    cut = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "steps_per_generation": 4}
    trainer = run(with_recipe("calibrl"), tmp_path, data=mixed((0, 1)), max_steps=2, **cut)
    assert len(losses(trainer)) == 2
    assert torch.isfinite(weights(trainer.model)).all()


def rewarded_with_a_picture(completion_ids, problem, **_):
    return [float(bool(row.images) and sum(ids) % 3 == 0) for ids, row in zip(completion_ids, problem, strict=True)]


def test_prompts_in_place_of_others_may_be_text(tmp_path):
    options = {"data": mixed((1, 0, 0)), "max_steps": 2, "reward": rewarded_with_a_picture}
    trainer = run(with_recipe("calibrl_dapo"), tmp_path, **options)
    assert max(logged(trainer, "sampling_rounds")) > 1
