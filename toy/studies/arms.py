"""An arm: one population that a study trains, and the file of its curves."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from toy.learning.settings import Training
from toy.learning.trainer import Curves
from toy.world import World


@dataclass(frozen=True)
class Arm:
    """One population to train: a method in a part of a study.

    Attributes:
        part: which part of the study, as :data:`toy.studies.questions.PARTS` calls it.
        method: as :func:`toy.learning.methods.parse_method` reads it.
        world: the world.
        training: the run's settings.
        seeds: number of seeds, 0 to ``seeds - 1``.
        cells: for a grid of hyper-parameters: the cells as :func:`toy.learning.trainer.train_grid` takes them.
        place: where the arm stands on axes that its cells do not have.
    """

    part: str
    method: str
    world: World
    training: Training
    seeds: int
    cells: tuple[Mapping[str, float], ...] = ()
    place: Mapping[str, float] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the file that holds the finished arm's curves."""
        where = (f"{axis}={value}" for axis, value in self.place.items())
        parts = (text.translate(str.maketrans(": ,", "___")) for text in (self.part, self.method, *where))
        return "__".join(parts) + ".npz"


def save_curves(cells: Sequence[Curves], path: Path) -> None:
    """Write the curves of an arm's cells (one without a grid); the same curves give the same bytes."""
    with path.open("wb") as file:
        stacked = {name: np.stack([cell[name] for cell in cells]) for name in cells[0]}
        np.savez_compressed(file, allow_pickle=False, **stacked)


def load_curves(arm: Arm, folder: Path) -> list[Curves] | None:
    """The curves of a finished arm, ``[points, seeds]`` each, for each of its cells (one without a grid), or None.

    Args:
        arm: the arm.
        folder: the study's folder.

    Raises:
        ValueError: the arm's file is damaged.
    """
    path = folder / "arms" / arm.file_name
    if not path.exists():
        return None
    shape = (max(1, len(arm.cells)), len(arm.training.recorded_steps), arm.seeds)
    try:
        with path.open("rb") as file, np.load(file) as stored:
            curves = {name: stored[name] for name in stored.files}
        if not curves or any(values.shape != shape for values in curves.values()):
            raise ValueError(f"curves are not {list(shape)}, for its cells, points and seeds")
    except (BadZipFile, EOFError, KeyError, NotImplementedError, OSError, ValueError, zlib.error) as error:
        raise ValueError(f"{path}: damaged ({error}). Fix: remove this file; --resume trains it again.") from error
    return [{name: values[cell] for name, values in curves.items()} for cell in range(shape[0])]
