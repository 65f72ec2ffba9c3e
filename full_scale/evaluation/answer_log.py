"""The answers of an evaluation on disk: appended batch by batch, so that an interrupted evaluation goes on."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from cli.folder import Output, RunFolder, beside, read_json, read_lines, write_json
from full_scale.data.verdicts import Verdict
from full_scale.model.answers import Answer
from full_scale.problems.quarantine import QUARANTINE_FILE

SETTINGS_FILE, ANSWERS_FILE, RESULTS_FILE, PAGE_FILE = (
    "evaluation.json",
    "answers.jsonl",
    "results.json",
    "answers.html",
)
"""What an evaluation's folder holds: settings, answers so far, and once it is finished figures and page."""

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


@dataclass(frozen=True)
class Answers:
    """The judged answers to one benchmark, by the problem's place in it.

    Attributes:
        greedy: Each problem's greedy answer.
        sampled: Each problem's sampled answers; none where nothing was sampled.
    """

    greedy: Sequence[Record]
    sampled: Sequence[Sequence[Record]]

    @classmethod
    def grouped(cls, records: Sequence[Record]) -> "Answers":
        """Group a benchmark's records, which lie in the order of answering: greedy ones by problem, then sampled ones.

        Args:
            records: Of one benchmark, all of them.

        Returns:
            The groups.
        """
        greedy = [record for record in records if record.kind == "greedy"]
        drawn = [record for record in records if record.kind == "sampled"]
        samples = len(drawn) // len(greedy)
        return cls(greedy, [drawn[place * samples : (place + 1) * samples] for place in range(len(greedy))])

    def of(self, problem: int) -> list[Record]:
        """A problem's greedy answer, then its sampled ones."""
        return [self.greedy[problem], *self.sampled[problem]]


class AnswerLog:
    """The answers in the folder of one evaluation.

    Args:
        folder: Of the evaluation, locked.
        settings: Everything that decides the answers.
        resume: Go on with the evaluation in it, which must be of the same settings; else it is replaced.

    Raises:
        ValueError: The folder holds an evaluation of other settings, or what an evaluation did not write.
    """

    def __init__(self, folder: RunFolder, settings: Mapping[str, object], *, resume: bool) -> None:
        self.folder = folder.path
        if resume:
            _check_same(self.folder, read_json(self.folder / SETTINGS_FILE), settings)
        else:
            folder.clear()
            write_json(self.folder / SETTINGS_FILE, settings)

    def records(self) -> list[Record]:
        """The answers so far; a line that an interruption cut off does not count."""
        return [Record.from_json(line) for line in read_lines(self.folder / ANSWERS_FILE)]

    def keep(self, records: Sequence[Record]) -> None:
        """Replace the answers so far by the first ones of them, the complete batches."""
        with beside(self.folder / ANSWERS_FILE) as part:
            part.write_text(_as_lines(records), encoding="utf-8")

    def append(self, records: Sequence[Record]) -> None:
        """Add a batch."""
        with (self.folder / ANSWERS_FILE).open("a", encoding="utf-8") as file:
            file.write(_as_lines(records))

    def finish(self, results: Json) -> None:
        """Write the results, with which the evaluation counts as finished."""
        write_json(self.folder / RESULTS_FILE, results)


def evaluation_folder(out: Path) -> RunFolder:
    """The folder of an evaluation.

    Args:
        out: The output folder.

    Returns:
        The folder, with the names of all that an evaluation writes.
    """
    names = (ANSWERS_FILE, RESULTS_FILE, PAGE_FILE, QUARANTINE_FILE)
    return RunFolder(
        out, begun=SETTINGS_FILE, names=names, is_ours=lambda settings: {"model", "data"} <= settings.keys()
    )


def check_folder(folder: RunFolder, output: Output) -> None:
    """Refuse a folder that an evaluation must not write to; cheap, so that it can be asked before a model is loaded.

    Args:
        folder: The output folder.
        output: What was asked for.

    Raises:
        ValueError: It holds something else, or an evaluation that is neither gone on with nor replaced.
    """
    if (folder.path / RESULTS_FILE).is_file() and folder.holds_run and not output.overwrite:
        raise ValueError(f"out={folder.path}: its evaluation is finished. Fix: --overwrite, or another --out.")
    folder.check(output)


def read_results(folder: Path) -> tuple[Json, dict[str, Answers]]:
    """The results of a finished evaluation.

    Args:
        folder: Its folder.

    Returns:
        The content of results.json, and by benchmark the answers.

    Raises:
        ValueError: There is no finished evaluation, or a file of it cannot be read.
    """
    if not (folder / SETTINGS_FILE).is_file() or not (folder / RESULTS_FILE).is_file():
        raise ValueError(f"{folder}: expected a finished evaluation. Fix: run evaluate.py --out {folder} first.")
    results: Json = read_json(folder / RESULTS_FILE)
    if "figures" not in results:
        raise ValueError(f"{folder}: it was written by an older version. Fix: evaluate again with --overwrite.")
    records = [Record.from_json(line) for line in read_lines(folder / ANSWERS_FILE)]
    return results, {
        name: Answers.grouped([item for item in records if item.benchmark == name]) for name in results["figures"]
    }


def _as_lines(records: Sequence[Record]) -> str:
    return "".join(json.dumps(record.as_json()) + "\n" for record in records)


def _check_same(folder: Path, stored: Mapping[str, object], wanted: Mapping[str, object]) -> None:
    wanted = json.loads(json.dumps(wanted))  # as it would be read back: lists for tuples
    for name in wanted:
        if stored.get(name) != wanted[name]:
            raise ValueError(
                f"--resume: the evaluation in {folder} has {name} {stored.get(name)!r}, this one {wanted[name]!r}. "
                "Fix: choose another --out, or --overwrite."
            )
