"""The methods' names and hyper-parameters as a table, so that a command line is read without importing torch.

``calibrl_ref`` alone knows them; ``methods.json`` is what it says, written by

    python -m full_scale.run.methods

A method that is not in the table, such as one that a script has registered, is asked of ``calibrl_ref`` itself.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cli.names import check_choice

FILE = Path(__file__).parent / "methods.json"
KINDS: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


@dataclass(frozen=True, kw_only=True)
class HyperParameter:
    """One hyper-parameter of a method, as ``calibrl_ref.HyperParameter`` says it.

    Attributes:
        name: Its keyword.
        kind: Name of its type.
        default: What it is unless given.
        optional: Whether it may be None.
        choices: The names that it may have; none where any value will do.
        documentation: What it means.
    """

    name: str
    kind: str
    default: Any
    optional: bool
    choices: tuple[str, ...]
    documentation: str

    @property
    def hint(self) -> Any:  # noqa: ANN401  # a type, or a union
        """Its type, as an annotation."""
        return KINDS[self.kind] | None if self.optional else KINDS[self.kind]


def method_names() -> tuple[str, ...]:
    """The names for ``--method``."""
    return tuple(_table())


def hyper_parameters(method: str) -> dict[str, HyperParameter]:
    """The hyper-parameters of a method.

    Args:
        method: Its name.

    Returns:
        Name -> hyper-parameter.

    Raises:
        ValueError: There is no such method.
    """
    table = _table() if method in _table() else ask_calibrl_ref()
    check_choice("method", method, table)
    return {item.name: item for item in table[method]}


def ask_calibrl_ref() -> dict[str, tuple[HyperParameter, ...]]:
    """The table as ``calibrl_ref`` says it now."""
    from calibrl_ref import RECIPES, SCHEDULES, hyper_parameters  # here: it imports torch

    return {
        method: tuple(HyperParameter(**{**vars(item), "kind": item.kind.__name__}) for item in hyper_parameters(method))
        for method in (*RECIPES, *SCHEDULES)
    }


def write_table() -> None:
    """Write ``methods.json``."""
    blocks = []
    for method, items in ask_calibrl_ref().items():
        lines = ",\n".join(json.dumps(asdict(item)) for item in items)
        blocks.append(f"{json.dumps(method)}: [\n{lines}\n]")
    FILE.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")


@cache
def _table() -> dict[str, tuple[HyperParameter, ...]]:
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        method: tuple(HyperParameter(**{**item, "choices": tuple(item["choices"])}) for item in items)
        for method, items in stored.items()
    }


if __name__ == "__main__":
    write_table()
