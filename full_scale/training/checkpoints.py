"""What a checkpoint remembers of this trainer: method, model, and an adapted slope."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

FILE = "hybrid_policy.json"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a checkpoint comes from.

    Attributes:
        method: Name of the method; None if the trainer was not told.
        model: Class of the model.
        parameters: Their number, adapters included.
    """

    method: str | None
    model: str
    parameters: int

    @classmethod
    def of(cls, model: nn.Module, method: str | None) -> "Origin":
        """That of a run: the model, unwrapped, and the method's name."""
        base = getattr(model, "get_base_model", lambda: model)()  # PEFT wraps the model
        return cls(
            method=method, model=type(base).__name__, parameters=sum(part.numel() for part in model.parameters())
        )


def write_origin(folder: Path, origin: Origin, *, slope: float | None) -> None:
    """Add the record to a checkpoint.

    Args:
        folder: The checkpoint.
        origin: Of this run.
        slope: Of the exploration term, where the method adapts it.
    """
    (folder / FILE).write_text(json.dumps(asdict(origin) | {"slope": slope}, indent=2) + "\n")


def read_origin(folder: Path, origin: Origin) -> float | None:
    """Check that a checkpoint belongs to this run.

    Args:
        folder: The checkpoint.
        origin: Of this run.

    Returns:
        The slope to go on with; None where the method does not adapt it.

    Raises:
        ValueError: If it is of another method or model, or of another trainer.
    """
    if not (folder / FILE).is_file():
        raise ValueError(f"{folder} has no {FILE}, so this trainer did not write it; choose another checkpoint.")
    record = json.loads((folder / FILE).read_text())
    slope: float | None = record.pop("slope")
    for name, mine in asdict(origin).items():
        if record[name] != mine:
            raise ValueError(
                f"{folder} was written with {name} {record[name]!r}, this run has {mine!r}; "
                "resume with the checkpoint's settings, or start anew in another folder."
            )
    return slope
