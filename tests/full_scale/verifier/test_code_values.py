"""Values on their way between processes: the same by type and content at every depth, and never too large."""

# ruff: noqa: E501  # tables

import json
import math

import pytest

from full_scale.verifier.code_values import DEEPEST, Encoder, TooLargeError, same, shown, sound

VALUES = [
    None, True, False, 0, 1, -7, 10**50, 0.0, 1.0, -2.5e300, math.inf, 1j, "", "a'\n", b"", b"\xff", [], [1], [[1], []], (), (1,), (1, [2]),
    {}, {1: 2}, {"a": [1]}, {(1, 2): 3}, set(), {1, 2}, {(1, 2)}, {"1"}, frozenset(), frozenset({1}), [None], [True], [1.0],
]  # fmt: skip


def encoded(value):
    return sound(json.loads(json.dumps(Encoder().encode(value))))


@pytest.mark.parametrize("place", range(len(VALUES)))
def test_a_value_is_the_same_as_itself_alone(place):
    assert [same(encoded(VALUES[place]), encoded(other)) for other in VALUES] == [
        n == place for n in range(len(VALUES))
    ]


def test_order_matters_in_sequences_alone():
    assert same(encoded({1: "a", 2: "b"}), encoded({2: "b", 1: "a"}))
    assert same(encoded({frozenset({1, 2}): {3, 4}}), encoded({frozenset({2, 1}): {4, 3}}))
    assert not same(encoded([1, 2]), encoded([2, 1]))
    assert not same(encoded({1: "a"}), encoded({1.0: "a"}))
    assert not same(encoded({True}), encoded({1}))


def test_nan_is_nan_and_minus_zero_is_zero():
    assert same(encoded([math.nan]), encoded([math.nan]))
    assert same(encoded(-0.0), encoded(0.0))


def test_a_tolerance_holds_at_every_depth():
    assert same(encoded([1.0, {"a": 2}]), encoded([1.05, {"a": 1.95}]), 0.1)
    assert not same(encoded([1.0, {"a": 2}]), encoded([1.05, {"a": 1.8}]), 0.1)
    assert not same(encoded(True), encoded(1.0), 0.1)


def test_a_value_with_too_many_parts_or_characters_is_refused():
    held = [1]
    for _ in range(60):
        held = [held, held]
    for value in (held, "a" * 500_001, ["a" * 1000] * 501):
        with pytest.raises(TooLargeError):
            Encoder().encode(value)


@pytest.mark.parametrize(
    "sent", [5, [], ["list"], ["list", 5], ["int", "x"], ["int", 5], ["dict", [1]], ["dict", [[["int", "1"]]]], ["no", 1],
             ["constant", 1], ["bytes", "xx"], ["list", [5]], ["str", None], None, {"a": 1}]
)  # fmt: skip
def test_what_is_no_value_is_refused(sent):
    with pytest.raises(ValueError, match=r"no encoded value|invalid literal|non-hexadecimal"):
        sound(sent)


@pytest.mark.parametrize("hold", [lambda x: [x], lambda x: (x,), lambda x: {1: x}, lambda x: frozenset([x])])
def test_a_value_that_is_nested_too_deeply_is_refused_and_any_other_can_be_shown(hold):
    deep = 1
    for _ in range(DEEPEST):
        deep = hold(deep)
    told = encoded(deep)
    assert same(told, told)
    assert same(["set", [told]], ["set", [told]])
    assert len(shown(told)) == 200
    with pytest.raises(TooLargeError):
        Encoder().encode(hold(deep))
    with pytest.raises(ValueError, match="nested more than"):
        sound(["list", [told]])


def test_an_object_is_told_by_its_type_alone():
    class Same:
        def __eq__(self, other):
            raise AssertionError("never asked")

        __hash__ = None

    assert Encoder().encode(Same()) == ["other", "Same"]


@pytest.mark.parametrize("value", [value for value in VALUES if value != frozenset()])
def test_a_value_is_shown_as_python_writes_it(value):
    assert shown(encoded(value)) == repr(value)


def test_a_long_value_is_shown_cut():
    assert len(shown(encoded(list(range(1000))))) == 200
