"""Pickles of arrays, read in a process of their own with a limit of memory and time."""

import json
import os
import subprocess
import sys
from pathlib import Path

from full_scale.data.records import Cell

_CHILD = Path(__file__).with_name("unpickling.py")


def read_pickle(place: Path) -> Cell:
    """The content of a pickle that holds plain containers and NumPy arrays.

    Args:
        place: An existing file.

    Returns:
        Its content; an array is an object, see :func:`full_scale.data.unpickling.as_json`.

    Raises:
        ValueError: The pickle is damaged, asks for anything else, or needs too much memory or time.
    """
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD), str(place)],
        capture_output=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # each thread reserves memory
        check=False,
    )
    if done.returncode or not done.stdout:
        raise ValueError(
            f"cannot read {place} as a pickle: it crashes its reader, or needs more than 1 GiB or 5 minutes; "
            "do not trust this file"
        )
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise ValueError(f"cannot read {place} as a pickle: {answer['error']}; download it again")
    return answer["value"]
