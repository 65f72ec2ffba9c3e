"""The checks of the exercises, one module for each notebook."""

from typing import Any


def number(given: Any) -> float:  # noqa: ANN401  # whatever the reader's function returns
    """Return the reader's result as a number.

    Raises:
        AssertionError: it is none, with the hint.
    """
    assert given is not ..., "replace the three dots by your code"
    assert given is not None, "your function returns nothing: did you forget the return?"
    return float(given)
