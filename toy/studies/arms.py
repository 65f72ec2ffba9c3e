"""An arm: one population that a study trains, and the file of its curves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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


def load_curves(arm: Arm, out: Path) -> list[Curves] | None:
    """The curves of a finished arm, ``[points, seeds]`` each, for each of its cells (one without a grid), or None."""
    path = out / "arms" / arm.file_name
    if not path.exists():
        return None
    with np.load(path) as stored:
        curves = {name: stored[name] for name in stored.files}
    return [{name: values[cell] for name, values in curves.items()} for cell in range(max(1, len(arm.cells)))]
