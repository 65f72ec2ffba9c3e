"""Tutorial 0: what a typical wrong answer is told names the error."""

import pytest
import torch
from course.exercises import verdict


def centred(reward):
    return reward - reward.mean()


WRONG = {
    "the reward itself": ("0.1", lambda reward: reward, "do not add up to 0"),
    "wrong way round": ("0.1", lambda reward: -centred(reward) / (reward.std() + 1e-6), "must get more than a wrong"),
    "a number": ("0.1", lambda reward: 1.0, "return a tensor"),
    "a mean": ("0.1", lambda reward: reward.mean(), "one number for each answer"),
    "not divided": ("0.1", centred, "count as an easy one"),
    "variance": ("0.1", lambda reward: centred(reward) / (reward.var() + 1e-6), "not its square"),
    "deviation over n": ("0.1", lambda reward: centred(reward) / (reward.std(correction=0) + 1e-6), "n - 1, not n"),
    "twice": ("0.1", lambda reward: 2 * centred(reward) / (reward.std() + 1e-6), "not in size"),
    "0 / 0": ("0.1", lambda reward: centred(reward) / reward.std(), "must not give 0 / 0"),
    "one for all right": (
        "0.1",
        lambda reward: torch.ones(8) if reward.std() == 0 else centred(reward) / reward.std(),
        "no answer is better",
    ),
    "both sides": ("0.2", lambda ratio, advantage: not 0.8 < ratio < 1.2, "brought back"),
    "wrong side": ("0.2", lambda ratio, advantage: ratio < 0.8 if advantage > 0 else ratio > 1.2, "brought back"),
    "above only": ("0.2", lambda ratio, advantage: ratio > 1.2 and advantage > 0, "direction of its advantage"),
    "below only": ("0.2", lambda ratio, advantage: ratio < 0.8 and advantage < 0, "direction of its advantage"),
    "at once": ("0.2", lambda ratio, advantage: (ratio > 1) == (advantage > 0), "inside the range"),
    "text": ("0.2", lambda ratio, advantage: "yes", "True or False"),
}


@pytest.mark.parametrize(("number", "answer", "hint"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_told_its_error(number, answer, hint):
    found = verdict(number, answer)
    assert not found.right
    assert hint in found.message
