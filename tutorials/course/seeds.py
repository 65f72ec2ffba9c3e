"""What to say of a method's seeds: a seed finds a sound path or does not, so count them."""

import numpy as np
from numpy.typing import NDArray

from toy.studies.statistics import share_interval

SOLVED = 0.9  # accuracy: between a shortcut's 0.6 and a sound path's 0.95


def solved(accuracy: NDArray[np.float64]) -> str:
    """Say how many seeds have found a sound path, with Wilson's 95 % interval of that share.

    Args:
        accuracy: exact accuracy at the end, ``[seeds]``.

    Example:
        >>> solved(np.array([0.95, 0.95, 0.6, 0.95]))
        ' 3 of 4 [0.30, 0.95]'
    """
    found = int((accuracy > SOLVED).sum())
    return f"{found:2d} of {len(accuracy)} [{{:.2f}}, {{:.2f}}]".format(*share_interval(found, len(accuracy)))
