"""The answers of an evaluation on disk: appended batch by batch, so that an interrupted evaluation goes on."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from full_scale.data.verdicts import Verdict
from full_scale.model.answers import Answer

SETTINGS_FILE, ANSWERS_FILE, RESULTS_FILE, PAGE_FILE = (
    "evaluation.json",
    "answers.jsonl",
    "results.json",
    "answers.html",
)
"""What an evaluation's folder holds: settings, answers so far, and once it is finished results and page."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One judged answer.

    Args:
        benchmark: Name of the benchmark within the evaluation.
        id: Of the problem.
        kind: How it was generated.
        sample: Which of the problem's answers of this kind, from 0.
        answer: The response.
        verdict: By reward and by official scoring.
    """

    benchmark: str
    id: str
    kind: Literal["greedy", "sampled"]
    sample: int
    answer: Answer
    verdict: Verdict

    def as_json(self) -> Json:
        """One flat object."""
        place = {"benchmark": self.benchmark, "id": self.id, "kind": self.kind, "sample": self.sample}
        return place | dataclasses.asdict(self.answer) | dataclasses.asdict(self.verdict)

    @classmethod
    def from_json(cls, record: Json) -> "Record":
        """The inverse of :meth:`as_json`."""
        parts = {
            kind: {item.name: record[item.name] for item in dataclasses.fields(kind)} for kind in (Answer, Verdict)
        }
        place = {name: record[name] for name in ("benchmark", "id", "kind", "sample")}
        return cls(**place, answer=Answer(**parts[Answer]), verdict=Verdict(**parts[Verdict]))


class AnswerLog:
    """The folder of one evaluation.

    Args:
        folder: The folder; it is made where it does not exist.
        settings: Everything that decides the answers; what is stored there must be of the same settings.
        overwrite: Start anew where the folder holds an evaluation.

    Raises:
        ValueError: The folder holds something else, a finished evaluation, or one of other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], *, overwrite: bool) -> None:
        self.folder = folder
        check_folder(folder, overwrite=overwrite)
        if overwrite:
            for name in (SETTINGS_FILE, ANSWERS_FILE, RESULTS_FILE, PAGE_FILE):
                (folder / name).unlink(missing_ok=True)
        stored = folder / SETTINGS_FILE
        if stored.is_file():
            _check_same(folder, json.loads(stored.read_text()), settings)
        folder.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(settings, indent=2) + "\n")

    def records(self) -> list[Record]:
        """The answers so far; a line that an interruption cut off does not count."""
        file = self.folder / ANSWERS_FILE
        if not file.is_file():
            return []
        lines = [line for line in file.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        return [Record.from_json(json.loads(line)) for line in lines]

    def keep(self, records: Sequence[Record]) -> None:
        """Replace the answers so far by the first ones of them, the complete batches."""
        part = self.folder / f"{ANSWERS_FILE}.part"
        part.write_text(_as_lines(records), encoding="utf-8")
        part.replace(self.folder / ANSWERS_FILE)

    def append(self, records: Sequence[Record]) -> None:
        """Add a batch."""
        with (self.folder / ANSWERS_FILE).open("a", encoding="utf-8") as file:
            file.write(_as_lines(records))

    def finish(self, results: Json) -> None:
        """Write the results, with which the evaluation counts as finished."""
        part = self.folder / f"{RESULTS_FILE}.part"
        part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        part.replace(self.folder / RESULTS_FILE)


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that an evaluation must not write to; cheap, so that it can be asked before a model is loaded.

    Args:
        folder: The output folder.
        overwrite: Whether an evaluation in it may be replaced.

    Raises:
        ValueError: It is a file, holds something else, or a finished evaluation.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"output folder {folder} is a file; choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SETTINGS_FILE).is_file():
        raise ValueError(
            f"output folder {folder} is in use by something else than an evaluation; choose another --out."
        )
    if (folder / RESULTS_FILE).is_file() and not overwrite:
        raise ValueError(f"the evaluation in {folder} is finished; choose another --out, or --overwrite.")


def read_results(folder: Path) -> Json:
    """The results of a finished evaluation.

    Args:
        folder: Its folder.

    Returns:
        The content of results.json.

    Raises:
        ValueError: There is no finished evaluation.
    """
    if not (folder / SETTINGS_FILE).is_file() or not (folder / RESULTS_FILE).is_file():
        raise ValueError(
            f"{folder} holds no finished evaluation ({RESULTS_FILE}); run evaluate.py --out {folder} first."
        )
    results: Json = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    return results


def _as_lines(records: Sequence[Record]) -> str:
    return "".join(json.dumps(record.as_json()) + "\n" for record in records)


def _check_same(folder: Path, stored: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    wanted = json.loads(json.dumps(wanted))  # as it would be read back: lists for tuples
    for name in wanted:
        if stored.get(name) != wanted[name]:
            raise ValueError(
                f"the evaluation in {folder} has {name} {stored.get(name)!r}, this one {wanted[name]!r}; "
                "choose another --out, or --overwrite."
            )
