"""The table of methods is the recipes' own."""

import pytest
from methods import IDEAS, PAGE, compared, gradient_flows, source, verified, written

from calibrl_ref import RECIPES


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == written(), "run: python docs/methods.py"


@pytest.mark.parametrize("name", RECIPES)
def test_every_method_has_an_idea_of_at_most_eight_words_and_a_source(name):
    assert 1 <= len(IDEAS[name].split()) <= 8
    assert source(name)


def test_no_method_is_told_that_is_none():
    assert set(IDEAS) == set(RECIPES)


def test_only_what_was_compared_with_its_authors_code_is_said_to_be():
    found = {name: verified(name) for name in ("calibrl_released", "hpt", "ace", "calibrl_relu")}
    assert found == {
        "calibrl_released": "its authors' code",
        "hpt": "its authors' code",
        "ace": "the text's formula; no code found",
        "calibrl_relu": "by hand and by a loop",
    }


@pytest.mark.parametrize(
    ("name", "gradient"),
    [
        ("grpo", "right, wrong"),
        ("sft", "expert"),
        ("calibrl", "right, wrong, expert"),
        ("calibrl_released", "right, wrong"),
        ("luffy", "right, wrong, expert"),
        ("pivot", "right, wrong"),
    ],
)
def test_where_the_gradient_flows_is_measured(name, gradient):
    assert gradient_flows(RECIPES[name]()) == gradient


def test_what_is_compared_is_read_off_the_objective():
    assert compared(RECIPES["sft"]()) == "nothing"
    assert compared(RECIPES["w_reinforce"]()) == "an answer with its verdict"
    assert compared(RECIPES["calibrl"]()) == "an answer with its group; its whole response with the expert"
