"""The faults that are planted in the course's checks, and who notices them."""

import ast
import warnings

import pytest
from checks import ROOT, answers, judged, mutants, noticed

SOURCE = """
def check(x, y=2):
    assert 0 < x and not y, f"{x + 1} is wrong"
    return round(x * 0.5, ndigits=1)
"""


def test_each_place_is_changed_once_and_messages_are_left_alone():
    assert sorted(mutant.what.replace("\n", " ") for mutant in mutants(SOURCE)) == sorted(
        [
            "2 -> 3",
            "0 < x and (not y) -> 0 < x or not y",
            "0 < x -> 0 >= x",
            "0 -> 1",
            "x * 0.5 -> x / 0.5",
            "0.5 -> 1.5",
            "1 -> 2",
            "round(x * 0.5, ndigits=1) -> round(x * 0.5)",
            "assert 0 < x and (not y), f'{x + 1} is wrong' -> assert True, f'{x + 1} is wrong'",
            "assert 0 < x and (not y), f'{x + 1} is wrong' -> assert not (0 < x and (not y)), f'{x + 1} is wrong'",
        ]
    )


@pytest.fixture(scope="module")
def third():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return answers("03")["t03"]


def test_the_healthy_module_is_not_noticed_and_a_check_that_accepts_everything_is(third):
    text = (ROOT / "tutorials" / "course" / "checks" / "t03.py").read_text()
    healthy = judged(third)
    every = list(mutants(text))
    lenient = next(mutant for mutant in every if "assert math.isclose(found, 2 / 3" in mutant.what)
    assert not noticed(ast.parse(text), "t03", third, healthy)
    assert noticed(lenient.tree, "t03", third, healthy)
    assert not noticed(ast.parse(text), "t03", third, healthy)
