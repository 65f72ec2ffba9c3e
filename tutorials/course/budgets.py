"""How much a notebook computes: all of it for the reader, little of it where only the running is tested."""

import os
from typing import TypeVar

VARIABLE = "CALIBRL_TUTORIAL_BUDGET"
BUDGETS = ("full", "reduced")

Setting = TypeVar("Setting")


def budget(*, full: Setting, reduced: Setting) -> Setting:
    """Return ``full``, or ``reduced`` where the environment variable ``CALIBRL_TUTORIAL_BUDGET`` says so.

    Args:
        full: the setting that the stored outputs were made with.
        reduced: a cheaper one that still runs every line.

    Raises:
        ValueError: the variable is neither "full" nor "reduced".

    Example:
        >>> budget(full=32, reduced=4) in (4, 32)
        True
    """
    chosen = os.environ.get(VARIABLE, "full")
    if chosen not in BUDGETS:
        raise ValueError(f"{VARIABLE}={chosen!r}: expected one of {list(BUDGETS)}. Fix: unset it, or set one of these.")
    return full if chosen == "full" else reduced
