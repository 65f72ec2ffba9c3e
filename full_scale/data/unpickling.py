"""Reads a pickle of arrays in a process of its own, and prints it as JSON: `python -P unpickling.py FILE`.

A pickle is a program. This one may build plain containers and NumPy arrays and nothing else; what it can still do, such
as fill the memory, nest a million lists or crash NumPy, ends this process and not the trainer.
"""

import base64
import contextlib
import importlib
import io
import json
import pickle
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

MEMORY = 2**30
"""Address space, bytes; GeoQA's largest file is about 100 MB."""

SECONDS = 300
"""Processor time."""

MOST = 5_000_000
"""Entries of all containers together; a pickle may hold one list a billion times. GeoQA has about 500,000."""

_NUMPY = {
    ("numpy", "ndarray"),
    ("_codecs", "encode"),  # how Python 3 writes an array's bytes at protocol 2
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles plain containers and NumPy arrays; anything else could run code and is refused."""

    def find_class(self, module: str, name: str) -> object:
        """Look up a class or function that the pickle asks for.

        Args:
            module: Its module.
            name: Its name.

        Returns:
            NumPy's own object.

        Raises:
            ValueError: The pickle asks for anything but a NumPy array.
        """
        if (module, name) not in _NUMPY:
            raise ValueError(f"it asks for {module}.{name}; only NumPy arrays are allowed: do not trust this file")
        return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)


def as_json(value: object, left: Iterator[int]) -> Any:  # noqa: ANN401  # whatever JSON can say
    """A value as JSON can say it.

    Args:
        value: Plain containers, texts, numbers, arrays.
        left: Gives a number for each entry that may still come.

    Returns:
        The same; an array is an object with its dtype, its shape and, where it is a grey or RGB picture, its PNG.

    Raises:
        ValueError: It holds anything else, or too much.
    """
    if next(left, None) is None:
        raise ValueError("it holds more entries than any data set of this kind; do not trust this file")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "png": _png(value)}
    if isinstance(value, np.number):
        return value.item()
    if isinstance(value, dict):
        return {str(name): as_json(entry, left) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry, left) for entry in value]
    raise ValueError(f"it holds a {type(value).__name__}; expected texts, numbers and arrays")


def _png(array: np.ndarray) -> str | None:
    is_picture = array.dtype == np.uint8 and (array.ndim == 2 or array.shape[2:] == (3,)) and array.size > 0
    if not is_picture:
        return None
    content = io.BytesIO()
    PIL.Image.fromarray(array).save(content, "PNG", compress_level=1)
    return base64.b64encode(content.getvalue()).decode()


def main() -> None:
    """Print {"value": ...} or {"error": ...}."""
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with Path(sys.argv[1]).open("rb") as file:
            answer = json.dumps({"value": as_json(ArrayUnpickler(file).load(), iter(range(MOST)))})
    except Exception as error:  # a damaged pickle may raise anything
        answer = json.dumps({"error": f"{error!s:.200}" if type(error) is ValueError else f"{error!r:.200}"})
    print(answer)


if __name__ == "__main__":
    main()
