"""What is read of a hyper-parameter, and a value of each kind from its text."""

from dataclasses import dataclass
from typing import Annotated, Optional

import pytest

from calibrl_ref import GATES, RECIPES, HyperParameter, OneOf, Recipe, hyper_parameters_of
from calibrl_ref.recipe_reader import documented_members

CHOICES = {"left": 1, "right": 2}


@dataclass(frozen=True, kw_only=True)
class Base(Recipe):
    """A recipe of every kind of hyper-parameter.

    Attributes:
        rate: how fast, in steps
            per second.
        limit: where to stop; None: nowhere.
        side: one of two.
        careful: look twice.

    Reference:
        none: this is no hyper-parameter.
    """

    rate: float = 1
    limit: int | None = None
    side: Annotated[str, OneOf(CHOICES)] | None = "left"
    careful: bool = False


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    """Another.

    Attributes:
        share: a part of ``rate``.
    """

    rate: float = 2.0
    share: Optional[float] = 0.5  # noqa: UP045  # the older way of writing it


def read(source):
    return {item.name: item for item in hyper_parameters_of(source)}


def test_name_kind_default_choices_and_documentation():
    found = read(Derived)
    assert list(found) == ["aggregation", "max_length", "rate", "limit", "side", "careful", "share"]
    assert found["rate"] == HyperParameter(
        name="rate", kind=float, default=2.0, optional=False, choices=(), documentation="how fast, in steps per second"
    )
    assert found["limit"] == HyperParameter(
        name="limit", kind=int, default=None, optional=True, choices=(), documentation="where to stop; None: nowhere"
    )
    assert found["side"] == HyperParameter(
        name="side", kind=str, default="left", optional=True, choices=("left", "right"), documentation="one of two"
    )
    assert (found["careful"].kind, found["careful"].optional) == (bool, False)
    assert (found["share"].kind, found["share"].optional, found["share"].documentation) == (
        float,
        True,
        "a part of rate",
    )


def test_a_plain_function_is_read_likewise():
    def mine(*, weight: float = 0.1, gate: Annotated[str, OneOf(GATES)] = "relu"):
        """Do something.

        Args:
            weight: how much.
            gate: which.

        Returns:
            weight: nothing.
        """

    found = read(mine)
    assert [(item.kind, item.default, item.documentation) for item in found.values()] == [
        (float, 0.1, "how much"),
        (str, "relu", "which"),
    ]
    assert found["gate"].choices == tuple(GATES)


def test_names_that_a_user_registers_are_choices(monkeypatch):
    monkeypatch.setitem(GATES, "mine", GATES["relu"])
    assert "mine" in read(RECIPES["calibrl"])["gate"].choices
    assert read(RECIPES["calibrl"])["gate"].read("mine") == "mine"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "3", 3.0),
        ("rate", "1e-3", 0.001),
        ("limit", "7", 7),
        ("limit", "none", None),
        ("side", "right", "right"),
        ("side", "none", None),
        ("careful", "true", True),
        ("careful", "false", False),
        ("share", "1", 1.0),
    ],
)
def test_a_value_is_read_by_its_annotation(name, text, value):
    found = read(Derived)[name].read(text)
    assert (found, type(found)) == (value, type(value))


def test_a_name_without_choices_is_any_text():
    def mine(*, label: str = "x"):
        """Do something."""

    (item,) = hyper_parameters_of(mine)
    assert (item.read("anything"), item.documentation) == ("anything", "")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rate", "none", r"rate='none': expected a number\. Fix: write one, as the default 2\.0"),
        ("limit", "2.5", r"limit='2\.5': expected a whole number, or none"),
        ("side", "rihgt", r"side='rihgt': expected one of \['left', 'right'\]\. Fix: did you mean 'right'\?"),
        ("careful", "True", r"careful='True': expected one of \['false', 'true'\]\. Fix: did you mean 'true'\?"),
        ("careful", "1", r"careful='1': expected one of \['false', 'true'\]\. Fix: use one of these\.$"),
    ],
)
def test_a_wrong_value_is_refused(name, text, message):
    with pytest.raises(ValueError, match=message):
        read(Derived)[name].read(text)


WITHOUT = (
    r"^hyper-parameter weights?.*: expected a default, and the annotation bool, int, float or str, with or without "
    r"None\. Fix: give it both\.$"
)


def test_a_hyper_parameter_that_no_command_line_can_read_is_refused():
    def no_default(*, weight: float): ...
    def no_annotation(*, weight=0.1): ...
    def a_list(*, weights: list[float] = []): ...  # noqa: B006  # never called
    def two_kinds(*, weight: int | str = 1): ...
    def one_of_them_read(*, weight: float | complex = 1.0): ...

    for function in (no_default, no_annotation, a_list, two_kinds, one_of_them_read):
        with pytest.raises(TypeError, match=WITHOUT):
            hyper_parameters_of(function)


@pytest.mark.parametrize("name", RECIPES)
def test_every_hyper_parameter_is_documented(name):
    assert [item.name for item in hyper_parameters_of(RECIPES[name]) if len(item.documentation) < 8] == []


def test_a_hyper_parameter_is_documented_once():
    classes = {kind for made in RECIPES.values() for kind in made.__wrapped__.__mro__}
    for name in RECIPES:
        kind = RECIPES[name].__wrapped__
        documenting = [base for base in kind.__mro__ if base in classes]
        own = [set(documented_members(type("Alone", (), {"__doc__": base.__doc__}))) for base in documenting]
        assert sum(map(len, own)) == len(set().union(*own)), name
