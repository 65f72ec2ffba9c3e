"""Flags from a dataclass: types, choices, defaults, and what a mistake is answered."""

import dataclasses
from pathlib import Path
from typing import Literal

import pytest

from cli.flags import Parser, add_flag, add_flags, attribute_texts, choices_of, flag_of, kind_of, read_flags


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walk:
    """A walk.

    Attributes:
        steps: how many, of
            100 % length.
        rate: ``per`` second.
        where: it goes.
        gait: how.
        dog: comes too.
        cat: also.
        hat: on.
        limit: at most.
        stops: on the way.
        name: of it.

    Raises:
        ValueError: never.
    """

    steps: int = 3
    rate: float = 0.5
    where: Path = Path("here")
    gait: Literal["slow", "fast"] = "slow"
    dog: bool = False
    cat: bool = True
    hat: bool | None = None
    limit: int | None = None
    stops: tuple[int, ...] = ()
    name: str = dataclasses.field(default="a", metadata={"help": "its name", "group": "names"})


def parser(**options):
    made = Parser(prog="walk", description="Walks.", **options)
    add_flags(made, Walk)
    return made


def read(*arguments, **options):
    return read_flags(parser(**options).parse_args(arguments), Walk)


def test_without_flags_the_dataclasss_defaults_hold():
    assert read() == Walk()
    assert vars(parser().parse_args([])) == {}


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        ("--steps 4", "steps", 4),
        ("--rate 1e-3", "rate", 0.001),
        ("--where a/b", "where", Path("a/b")),
        ("--gait fast", "gait", "fast"),
        ("--dog", "dog", True),
        ("--cat", "cat", True),
        ("--no-cat", "cat", False),
        ("--no-hat", "hat", False),
        ("--hat", "hat", True),
        ("--limit 3", "limit", 3),
        ("--limit none", "limit", None),
        ("--stops 1 2", "stops", (1, 2)),
        ("--name b", "name", "b"),
    ],
)
def test_each_type_is_read(flags, field, value):
    found = getattr(read(*flags.split()), field)
    assert found == value
    assert type(found) is type(value) or isinstance(found, Path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--steps x", r"--steps: expected a whole number, got 'x'. Fix: see walk --help\."),
        ("--steps 1.5", "expected a whole number, got '1.5'"),
        ("--rate x", "--rate: expected a number, got 'x'"),
        ("--limit x", "--limit: expected a whole number or none, got 'x'"),
        ("--steps none", "expected a whole number, got 'none'"),
        ("--steps", "--steps: expected one argument"),
        ("--stops", "--stops: expected at least one argument"),
        ("--step 3", r"--step: expected a flag of walk. Fix: did you mean --steps\?"),
        ("--stepz=3", r"--stepz: expected a flag of walk. Fix: did you mean --steps\?"),
        ("--velocity 3", r"--velocity: .* did you mean --rate\?"),
        ("--gait fastt", r"^--gait: expected one of slow, fast, got 'fastt'. Fix: did you mean 'fast'\?$"),
        ("--gait x", r"^--gait: expected one of slow, fast, got 'x'. Fix: see walk --help\.$"),
        ("--wings 2", r"^--wings: only birds have them\. Fix: be one\.$"),
        ("--zzzz", r"--zzzz: expected a flag of walk. Fix: walk --help lists all\."),
        ("west", r"'west': expected a flag in front of it. Fix: see walk --help\."),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_type(flags, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(
            *flags.split(), other_names={"velocity": "rate"}, elsewhere={"wings": "only birds have them. Fix: be one."}
        )
    assert "\n" not in str(caught.value)


def test_a_lenient_parser_lets_unknown_flags_be():
    found, unknown = parser(lenient=True).parse_known_args(["--steps", "4", "--zzzz", "3"])
    assert (found.steps, unknown) == (4, ["--zzzz", "3"])


def test_what_is_left_over_is_refused_and_other_flags_may_have_been_meant():
    lenient = parser(lenient=True)
    lenient.refuse([])
    with pytest.raises(ValueError, match=r"^--stepz: expected a flag of walk\. Fix: did you mean --steps\?$"):
        lenient.refuse(["--stepz=3"])
    with pytest.raises(ValueError, match=r"^--slop: expected a flag of walk\. Fix: did you mean --slope\?$"):
        lenient.refuse(["--slop"], more=["--slope"])


def test_the_help_shows_type_meaning_choices_and_default():
    text = " ".join(parser().format_help().split())
    assert "the walk's settings:" in text
    assert "names:" in text
    assert "--steps INT how many, of 100 % length (default: 3)" in text
    assert "--rate FLOAT per second (default: 0.5)" in text
    assert "--where PATH it goes (default: here)" in text
    assert "--gait NAME how; one of slow, fast (default: slow)" in text
    assert "--dog comes too --cat, --no-cat also (default: yes) --hat, --no-hat on --limit" in text
    assert "--limit INT at most; or none --stops" in text
    assert "--stops INT [INT ...] on the way names:" in text
    assert "--name TEXT its name (default: a)" in text


def test_other_defaults_are_shown_and_fields_left_out():
    made = Parser()
    add_flags(
        made, Walk, title="walking", defaults={"steps": 7, "stops": (1, 2), "limit": 0, "cat": False}, without=["rate"]
    )
    text = " ".join(made.format_help().split())
    assert "walking:" in text
    assert "(default: 7)" in text
    assert "(default: 1 2)" in text
    assert "at most; or none (default: 0)" in text
    assert "--cat, --no-cat also --hat" in text
    assert "--rate" not in text
    assert vars(made.parse_args([])) == {}


def test_a_flag_alone():
    made = Parser()
    add_flag(made, "soft_clip", str, "of what", ["x", "y"])
    assert vars(made.parse_args(["--soft-clip", "x"])) == {"soft_clip": "x"}
    assert "--soft-clip NAME  of what; one of x, y\n" in made.format_help()


def test_a_flag_of_true_or_false_can_be_taken_back_unless_told():
    made = Parser()
    add_flag(made, "loud", bool, "")
    add_flag(made, "soft", bool, "", negatable=False)
    assert vars(made.parse_args(["--no-loud"])) == {"loud": False}
    with pytest.raises(ValueError, match="--no-soft: expected a flag"):
        made.parse_args(["--no-soft"])


def test_a_flag_has_dashes_where_the_name_has_underscores():
    assert flag_of("own_sound_paths") == "--own-sound-paths"


def test_types_by_hint():
    assert kind_of(int | None) is int
    assert kind_of(tuple[float, ...]) is float
    assert kind_of(Literal["a"]) is str
    assert kind_of(Literal["a"] | None) is str
    assert kind_of(Path) is Path
    assert choices_of(Literal["a", "b"]) == ("a", "b")
    assert choices_of(str) == ()


def test_texts_are_those_of_the_docstring():
    class Plain:
        """No fields."""

    class Args:
        """Some.

        Args:
            one: first.

            two: second
        """

    assert attribute_texts(Walk)["steps"] == "how many, of 100 % length"
    assert "ValueError" not in attribute_texts(Walk)
    assert attribute_texts(Plain) == {}
    assert attribute_texts(Args) == {"one": "first", "two": "second"}
