"""Conversations as questions and replies."""

import pytest

from full_scale.data.chats import Chat, is_chat, read_chat, spoken


def test_what_is_a_conversation():
    assert is_chat([{"role": "user", "content": "q"}])
    assert is_chat(({"from": "human", "value": "q"},))
    for cell in ("q", [], None, ["q"], [{"role": "user"}, 5], [{"content": "q"}]):
        assert not is_chat(cell)


@pytest.mark.parametrize("user", ["user", "User", "human"])
@pytest.mark.parametrize("assistant", ["assistant", "gpt", "GPT", "bot", "model"])
def test_speakers(user, assistant):
    turns = [{"from": "system", "value": "s"}, {"from": user, "value": "q"}, {"from": assistant, "value": "a"}]
    assert read_chat(turns, "r") == Chat(question="q", pictures=(), reply="a")
    assert read_chat(turns[:2], "r").reply is None


def test_parts_of_a_turn():
    url = {"url": "data:..."}
    parts = [
        {"type": "image", "image": "0.png"},
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": url},
    ]
    chat = read_chat([{"role": "user", "content": [*parts, {"type": "text", "text": "b"}, {"type": "image"}]}], "r")
    assert chat == Chat(question="ab", pictures=("0.png", url), reply=None)
    assert spoken([{"text": "a"}, {"type": "video", "text": "b"}, {"type": "text", "text": None}], "r") == "a"


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([{"role": "system", "content": "s"}], "^r: the conversation has 0 questions and 0 replies"),
        ([{"role": "user", "content": "a"}] * 2, "has 2 questions and 0 replies"),
        (
            [{"role": "user", "content": "a"}] + [{"role": "assistant", "content": "a"}] * 2,
            "has 1 questions and 2 replies",
        ),
        ([{"role": "user", "content": 5}], "^r: a turn must be text or a list of typed parts, got int '5'"),
        ([{"role": "user", "content": ["a"]}], "a turn must be text or a list of typed parts, got list"),
    ],
)
def test_what_is_no_single_question(turns, message):
    with pytest.raises(ValueError, match=message):
        read_chat(turns, "r")
