"""Broken records that a user lets the program leave out: each with its reason, and never too many of them."""

import json
import logging
from pathlib import Path

_LOG = logging.getLogger(__name__)

MOST = 0.5
"""Share of broken records from which on a data set is refused: it is probably read in the wrong way."""

QUARANTINE_FILE = "quarantine.jsonl"
"""Its name in an output folder."""

HINT = f"--skip-broken leaves such records out and lists them in {QUARANTINE_FILE}"


class Quarantine:
    """Where broken records go instead of ending the program.

    Args:
        file: Gets a line for each: data set, split, place, id and reason; one of a former run is removed. None for no
            file.
        most: A larger share of broken records ends the program nevertheless.

    Raises:
        ValueError: `most` is no share.
    """

    def __init__(self, file: Path | None = None, *, most: float = MOST) -> None:
        if not 0 <= most <= 1:
            raise ValueError(
                f"most={most}: expected a share from 0 to 1. Fix: 0.5 allows every second record to be broken"
            )
        self.file, self.most, self.count = file, most, 0
        if file is not None:
            file.unlink(missing_ok=True)

    def leave_out(self, reason: str, **place: object) -> None:
        """Leave out a record.

        Args:
            reason: Why.
            place: Where it stands, such as dataset, split, row and id.
        """
        self.count += 1
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(place | {"reason": reason}) + "\n")

    def check(self, dataset: str, broken: list[str], kept: int) -> None:
        """Say how many records of a data set were left out, or refuse it.

        Args:
            dataset: Its name.
            broken: The reasons.
            kept: Number of its sound records.

        Raises:
            ValueError: Too large a share is broken.
        """
        if not broken:
            return
        count, share = len(broken), len(broken) / (len(broken) + kept)
        said = f"{dataset}: {count} of {count + kept} records ({share:.0%}) are broken; the first: {broken[0]}"
        if share > self.most:
            raise ValueError(f"{said}. At most {self.most:.0%} may be left out: check the layout and the columns")
        _LOG.warning("%s; left out%s", said, "" if self.file is None else f", see {self.file}")
