"""The reward: accuracy of the answer + a weight x format of the whole response."""

from dataclasses import replace

import pytest

from full_scale.problems.problem import Problem
from full_scale.problems.ways import Ways
from full_scale.verifier.rewards import Reward, accuracy, format_reward, reward, total_reward

FREE = Problem(id="1", source="s", question="q", answer="65")
WELL_FORMED, BARE, WRONG = "<think>t</think><answer>65</answer>", "<answer>65</answer>", "<answer>6</answer>"


@pytest.mark.parametrize(
    ("response", "parts", "total"),
    [
        (WELL_FORMED, (1.0, 1.0), 1.25),
        (BARE, (1.0, 0.0), 1.0),
        ("<think>t</think><answer>6</answer>", (0.0, 1.0), 0.25),
        (WRONG, (0.0, 0.0), 0.0),
        ("65", (0.0, 0.0), 0.0),
    ],
)
def test_reward_is_accuracy_plus_weight_times_format(response, parts, total):
    found = reward(response, FREE, format_weight=0.25)
    assert found == Reward(accuracy=parts[0], format=parts[1], format_weight=0.25)
    assert found.total == total
    assert found.correct is (parts[0] == 1.0)


def test_sampled_responses_earn_the_same_reward_with_its_parts_logged():
    texts, columns, metrics = (WELL_FORMED, BARE, WRONG), {}, {}
    turns = [[{"role": "assistant", "content": text}] for text in texts]
    given = {"format_weight": 0.25, "log_extra": columns.__setitem__, "log_metric": metrics.__setitem__}
    found = total_reward(turns, problem=[FREE] * 3, other="ignored", **given)
    assert found == [reward(text, FREE, format_weight=0.25).total for text in texts] == [1.25, 1.0, 0.0]
    assert columns == {"correct": [True, True, False]}
    assert metrics == pytest.approx({"rewards/accuracy/mean": 2 / 3, "rewards/format/mean": 1 / 3})
    with pytest.raises(ValueError, match="shorter"):
        total_reward(turns, problem=[FREE] * 2, **given)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>a\nb</think><answer>1</answer>", 1.0),
        ("<think>a</think> so <answer>1</answer>\n", 1.0),
        ("<think>a</think><answer>1</answer> done", 0.0),
        ("well <think>a</think><answer>1</answer>", 0.0),
        ("<answer>1</answer>", 0.0),
        ("<think>a</think>", 0.0),
        ("<think>a</think><answer>1</answer", 0.0),
        ("<answer>1</answer><think>a</think>", 0.0),
        ("<think>a<answer>1</answer></think><answer>1</answer>", 1.0),
        ("<think>a</think><answer></answer>", 1.0),
        ("<think>a</think><answer>1</think></answer>", 1.0),
        ("</think><answer>1</answer>", 0.0),
        ("<think></think><answer>", 0.0),
        ("<think></think><answer></answer>", 1.0),
        ("</think><think><answer>1</answer>", 0.0),
        ("", 0.0),
    ],
)
def test_format_of_the_whole_response(response, expected):
    assert format_reward(response) == expected


def test_accuracy_alone_is_there_for_other_trainers():
    turns = [[{"role": "assistant", "content": text}] for text in (WELL_FORMED, BARE, WRONG)]
    assert accuracy(turns, problem=[FREE] * 3, other="ignored") == [1.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="shorter"):
        accuracy(turns, problem=[FREE] * 2)


def test_where_problems_tell_ways_apart_their_shares_are_logged():
    problem, metrics = replace(FREE, ways=Ways(sound="look", shortcut="guess")), {}
    turns = [[{"content": f"<think>{way} a</think>"}] for way in ("look", "guess", "guess", "other")]
    given = {"format_weight": 0.1, "log_extra": lambda *_: None, "log_metric": metrics.__setitem__}
    total_reward(turns, problem=[problem] * 4, **given)
    assert [metrics[f"{way}_share"] for way in ("sound", "shortcut", "neither")] == [0.25, 0.5, 0.25]


def test_a_thought_that_opens_with_no_way_earns_nothing():
    bound = replace(FREE, ways=Ways(sound="look", shortcut="guess"))
    way, no_way = (f"<think>{word} a: 65</think><answer>65</answer>" for word in ("look", "seek"))
    assert reward(way, bound, format_weight=0.1).total == 1.1
    assert reward(no_way, bound, format_weight=0.1).total == 0.0
    assert reward(no_way, FREE, format_weight=0.1).total == 1.1
