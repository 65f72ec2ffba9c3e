"""Ways of reasoning, told by the words that open the thought."""

import pytest

from full_scale.problems.ways import Ways

WAYS = Ways(sound="look", shortcut="guess triangle", others=("skip",))


@pytest.mark.parametrize(
    ("response", "way"),
    [
        ("<think>look circle: 1</think><answer>1</answer>", "look"),
        (" <think> guess triangle: 1</think>", "guess triangle"),
        ("<think>guess circle: 1</think>", None),
        ("<think>guess triangles: 1</think>", None),
        ("<think>skip</think><answer>1</answer>", "skip"),
        ("<think>looking</think>", None),
        ("<think>circle: look</think>", None),
        ("look circle", None),
        ("", None),
    ],
)
def test_the_opening_words_are_the_way(response, way):
    assert WAYS.taken(response) == way


def test_two_ways_of_one_name_are_refused():
    with pytest.raises(ValueError, match="expected names that differ"):
        Ways(sound="look", shortcut="look")


def test_shares_count_every_response_once():
    taken = ["<think>look a", "<think>skip", "guess triangle", "<think>guess triangle: 1"]
    assert WAYS.shares(taken) == {"sound_share": 0.25, "shortcut_share": 0.25, "neither_share": 0.5}
