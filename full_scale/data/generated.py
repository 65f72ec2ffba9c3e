"""What the generated data sets share: how they are read, and which split a drawn problem belongs to."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from full_scale.data.records import Record
from full_scale.data.schema import REWARD_RULE, Request, Schema
from full_scale.problems.problem import Problem

Split: TypeAlias = Literal["train", "test"]
Drawn = TypeVar("Drawn")

COUNT = 2000
"""Problems in a split, where no limit is given."""

_TEST_SHARE = 0.2


class Draw(Protocol):
    """Random problems of a split; the same arguments give the same."""

    def __call__(self, count: int, *, seed: int, split: Split) -> Sequence[Problem]:
        """Draw them."""
        ...


def split_of(content: str) -> str:
    """The split that a drawn problem belongs to, whatever the seed: a hash puts one in five into the test split.

    Args:
        content: What makes it the problem that it is.

    Returns:
        "train" or "test".

    Example:
        >>> split_of("triangle 40 20"), split_of("triangle 40 21")
        ('test', 'train')
    """
    digest = hashlib.sha256(content.encode()).digest()
    return "test" if digest[0] < 256 * _TEST_SHARE else "train"


def check_drawn(count: int, split: str) -> None:
    """Refuse what cannot be drawn.

    Args:
        count: Number of problems.
        split: Its name.

    Raises:
        ValueError: The count is below 1, or there is no such split.
    """
    if count < 1:
        raise ValueError(f"count={count}: expected at least 1. Fix: draw one.")
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: expected 'train' or 'test'. Fix: choose one.")


def draw_until(
    count: int, *, seed: int, split: Split, draw: Callable[[int, random.Random], Drawn | None]
) -> list[Drawn]:
    """What is drawn again and again until there is enough; the same arguments give the same.

    Args:
        count: How many.
        seed: Of the random numbers.
        split: "train" or "test"; each has random numbers of its own.
        draw: Gets how many there are already, and the random numbers; None for what does not belong to the split.

    Returns:
        As many as were asked for.

    Raises:
        ValueError: The count is below 1, or there is no such split.
    """
    check_drawn(count, split)
    rng = random.Random(f"{seed}-{split}")
    found: list[Drawn] = []
    while len(found) < count:
        if (one := draw(len(found), rng)) is not None:
            found.append(one)
    return found


def generated_schema(name: str, draw: Draw, file: str, *, reward_rule: str = REWARD_RULE) -> Schema:
    """The schema of a data set whose problems are drawn when they are asked for.

    Args:
        name: Its name, and its problems' source.
        draw: Gives its problems; checks the split.
        file: The module's own ``__file__``.
        reward_rule: As in `Schema`.

    Returns:
        The schema.
    """

    def read(request: Request) -> Iterator[Record]:
        """Each drawn problem as a record."""
        count = COUNT if request.limit is None else request.limit
        for problem in draw(count, seed=request.seed, split=request.split):  # type: ignore[arg-type]  # it is checked there
            yield {"problem": problem}

    return Schema(
        name=name,
        source=name,
        official=None,
        splits=("train", "test"),
        read=read,
        problem=lambda record, _: record["problem"],
        recognise=lambda _: False,
        reward_rule=reward_rule,
        shipped=Path(file),
    )
