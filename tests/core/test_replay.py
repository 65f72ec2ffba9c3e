"""The buffer of own successes: what is kept, which one becomes the anchor, and how often a prompt comes back."""

import pytest
import torch
from conftest import said

from calibrl_ref import Remembered, Success, anchor, draw_prompts, remember, replay_weights, solved_ratio


def success(token, entropy=0.5, visual=0.0):
    return Success(tokens=(token,), entropy=entropy, visual_dependency=visual)


def test_a_group_is_remembered_and_the_former_buffer_stays():
    first = remember({}, "p", [success(1)], group_size=4)
    second = remember(first, "p", [success(2), success(3)], group_size=4)
    third = remember(second, "q", [], group_size=4)
    assert (first["p"].solved, [s.tokens for s in first["p"].successes]) == (0.25, [(1,)])
    assert (second["p"].solved, [s.tokens for s in second["p"].successes]) == (0.5, [(1,), (2,), (3,)])
    assert (third["q"].solved, third["q"].successes) == (0.0, ())
    assert third["p"] is second["p"]


def test_the_latest_are_kept():
    buffer = remember({}, "p", [success(token) for token in range(5)], group_size=8, capacity=3)
    assert [s.tokens for s in buffer["p"].successes] == [(2,), (3,), (4,)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], None),
        ([success(1, entropy=9.0)], 1),
        ([success(1, entropy=0.9), success(2, entropy=0.1)], 2),
        ([success(1, 0.1, 0.0), success(2, 0.2, 5.0), success(3, 0.3, 9.0), success(4, 0.4, 9.0)], 2),
        ([success(1, 0.1, 1.0), success(2, 0.2, 1.0), success(3, 0.3), success(4, 0.4)], 1),
        ([success(1, 0.3, 3.0), success(2, 0.1), success(3, 0.2)], 2),  # half of three is one
    ],
)
def test_the_anchor_is_sure_and_looks_at_the_picture(given, expected):
    found = anchor(Remembered(solved=0.5, successes=tuple(given)))
    assert (found and found.tokens[0]) == expected


def test_prompts_between_never_and_always_come_back():
    buffer = {
        "never": Remembered(solved=0.0),
        "half": Remembered(solved=0.5, successes=(success(1),)),
        "mostly": Remembered(solved=0.75, successes=(success(1),)),
        "always": Remembered(solved=1.0, successes=(success(1),)),
    }
    assert replay_weights(buffer) == {"never": 0.0, "half": 0.25, "mostly": 0.1875, "always": 0.0}
    assert solved_ratio(buffer) == 0.75
    drawn = draw_prompts(buffer, 5, generator=torch.Generator().manual_seed(0))
    assert sorted(drawn) == ["half", "mostly"]
    counts = {"half": 0, "mostly": 0}
    generator = torch.Generator().manual_seed(1)
    for _ in range(2000):
        counts[draw_prompts(buffer, 1, generator=generator)[0]] += 1
    assert counts["half"] / 2000 == pytest.approx(0.25 / 0.4375, abs=0.04)


def test_an_empty_buffer_gives_nothing():
    assert draw_prompts({}, 3, generator=torch.Generator()) == []
    assert solved_ratio({}) == 0.0


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="successes=3: expected at most group_size=2"):
        remember({}, "p", [success(1)] * 3, group_size=2)
    for count in ({"group_size": 0}, {"group_size": 2, "capacity": 0}):
        with pytest.raises(ValueError, match="=0: expected"):
            remember({}, "p", [], **count)
    with pytest.raises(ValueError, match="count=0: expected"):
        draw_prompts({}, 0, generator=torch.Generator())
    with pytest.raises(ValueError, match=r"solved=1\.5: expected"):
        Remembered(solved=1.5)


def test_what_cannot_be_remembered_is_refused_by_name():
    assert said(remember, {}, "p", [success(1), success(2)], group_size=1) == (
        "successes=2: expected at most group_size=1. Fix: pass the group's right rows."
    )
    assert said(remember, {}, "p", [], group_size=0).startswith("group_size=0: expected")
    assert said(remember, {}, "p", [], group_size=2, capacity=0).startswith("capacity=0: expected")


def test_a_group_that_is_all_right_is_remembered_with_eight_successes_at_most():
    buffer = remember({}, "p", [success(token) for token in range(9)], group_size=9)
    assert (buffer["p"].solved, [s.tokens for s in buffer["p"].successes]) == (1.0, [(token,) for token in range(1, 9)])
    assert solved_ratio(buffer) == 1.0


def test_the_half_of_three_is_one():
    kept = (success(1, entropy=0.1), success(2, entropy=0.2, visual=5.0), success(3, entropy=0.3, visual=9.0))
    assert anchor(Remembered(solved=0.5, successes=kept)).tokens == (1,)


def test_the_generator_is_the_only_chance():
    buffer = {name: Remembered(solved=0.5) for name in range(50)}
    first, again, other = (draw_prompts(buffer, 5, generator=torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
