"""The example's data are read by their usual names, and both of its rewards reach the update."""

import runpy
from pathlib import Path

import pytest
import torch

from full_scale.data import load_problems

EXAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "own_reward_and_data.py"))

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


def turn(text):
    return [{"role": "assistant", "content": text}]


def test_the_table_is_read_with_pictures_answers_and_experts(tmp_path):
    problems = load_problems(str(EXAMPLE["write_data"](tmp_path / "data")), split="train")
    assert len(problems) == 20
    first = next(problem for problem in problems if problem.question == "a=3 b=2 find the area")
    assert (first.answer, first.solution) == ("6", "area: 3*2=6")
    (picture,) = first.rgb_images()
    assert picture.size == (112, 112)


def test_the_rewards_judge_answers_and_length(tmp_path):
    problem = load_problems(str(EXAMPLE["write_data"](tmp_path / "data", count=1)), split="train")[0]
    answers = [turn("<answer>6</answer>"), turn("<answer>7</answer>"), turn("x" * 150)]
    assert EXAMPLE["right"](answers, [problem] * 3) == [1.0, 0.0, 0.0]
    assert EXAMPLE["short"](answers) == pytest.approx([0.82, 0.82, 0.0])


def test_the_example_trains_and_saves_a_model(tmp_path):
    trainer = EXAMPLE["main"](tmp_path, steps=1)
    (update,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert update["rows"] == 20  # four groups of four, and the expert of each
    assert update["reward"] == pytest.approx(update["rewards/right/mean"] + 0.1 * update["rewards/short/mean"])
    assert update["loss/exploration"] != 0.0
    saved = type(trainer.model).from_pretrained(tmp_path)
    for name, weight in trainer.model.named_parameters():
        torch.testing.assert_close(saved.get_parameter(name), weight, rtol=0, atol=0)
