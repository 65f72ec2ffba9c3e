"""Rows without a picture train beside rows with one, two or three."""

import dataclasses

import pytest
import torch
from tiny_runs import processor, run, weights, with_recipe

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
