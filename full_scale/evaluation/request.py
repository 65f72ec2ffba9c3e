"""What an evaluation is asked for: the flags of ``evaluate.py``, and how problems are answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.folder import read_json
from full_scale.model.shipped import SHIPPED_MODELS
from full_scale.run.command_line import read_preset
from full_scale.run.folder import SETTINGS_FILE, are_settings

LONGEST = 1024
"""Tokens of a response where neither a flag nor a run's settings say it."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How problems are answered.

    Attributes:
        samples: Sampled responses per problem, besides the greedy one.
        batch_size: Problems at once.
        max_response_length: Tokens.
        instruct: Append the paper's instruction.
        blank_pictures: Show white pictures of the same sizes instead.
        seed: Of the sampling.

    Raises:
        ValueError: A number is too small.
    """

    samples: int
    batch_size: int
    max_response_length: int
    instruct: bool
    blank_pictures: bool
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("samples", 0), ("max_response_length", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                flag = f"--{name.replace('_', '-')} {least}"
                raise ValueError(f"{name}={getattr(self, name)}: expected at least {least}. Fix: {flag}.")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is evaluated, and how.

    Attributes:
        model: folder or hub id of a checkpoint, or of a run with adapters; shipped: tiny, tiny-text, tiny-code,
            tiny-shortcut.
        dataset: rendered, shortcut, word_problems, arithmetic, pipelines, a folder or file, or <layout>:<path>;
            several.
        split: of every data set (default: the one that each is scored on).
        limit: at most so many problems of each (of generated ones 2000 without).
        columns: what the columns of your own table are called, where that is not usual: question=q,answer=a.
        skip_broken: leave out broken records and list them in quarantine.jsonl; else the first ends the program.
        samples: sampled responses per problem, at temperature 1, besides the greedy one.
        pass_at: which k of pass@k (default: the number of samples).
        blank_pictures: show white pictures of the same size instead.
        instruct: append the paper's instruction to each question (default: as the model's run did).
        shots: solved training problems in front of each question (default: as the model's run had it, else none).
        max_response_length: tokens (default: as the model's run had it, else 1024).
        batch_size: problems at once; memory grows with it and with the samples.
        seed: of generated problems and of the sampling.
        remote_code: run code that the checkpoint brings; read it first.
        merge: save the model with its adapters merged in to this folder, and stop.
        compare: two folders of finished evaluations, which are compared by paired tests; nothing is answered.

    Raises:
        ValueError: pass@k needs more samples, or there are not two evaluations to compare.
    """

    model: str = "tiny"
    dataset: tuple[str, ...] = ("rendered",)
    split: str | None = None
    limit: int | None = None
    columns: str | None = None
    skip_broken: bool = False
    samples: int = 0
    pass_at: tuple[int, ...] = ()
    blank_pictures: bool = False
    instruct: bool | None = None
    shots: int | None = None
    max_response_length: int | None = None
    batch_size: int = 64
    seed: int = 0
    remote_code: bool = False
    merge: Path | None = None
    compare: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        for k in self.pass_at:
            if not 1 <= k <= self.samples:
                raise ValueError(
                    f"--pass-at {k}: expected 1 to the number of samples, {self.samples}. Fix: --samples {max(k, 1)}."
                )
        if len(self.compare) not in (0, 2):
            raise ValueError(f"--compare: expected two folders, got {len(self.compare)}. Fix: --compare A B.")

    @property
    def ks(self) -> tuple[int, ...]:
        """Which k of pass@k; the number of samples unless it was said."""
        return self.pass_at or ((self.samples,) if self.samples else ())

    @property
    def examples(self) -> int:
        """Worked examples in front of each question: by the flag, else as the model was trained."""
        return int(training_settings(self.model).get("shots", 0)) if self.shots is None else self.shots

    def options(self) -> Options:
        """How problems are answered: by the flags, else as the model was trained."""
        trained = training_settings(self.model)
        longest, instruct = self.max_response_length, self.instruct
        return Options(
            samples=self.samples,
            batch_size=self.batch_size,
            max_response_length=trained["max_response_length"] if longest is None else longest,
            instruct=trained["instruct"] if instruct is None else instruct,
            blank_pictures=self.blank_pictures,
            seed=self.seed,
        )


def training_settings(model: str) -> Mapping[str, Any]:
    """The settings that a model was trained with, as far as its answers depend on them.

    Args:
        model: As it was called: the folder of a run, a checkpoint in one, a shipped name, or any other checkpoint.

    Returns:
        ``max_response_length`` and ``instruct``, at least: of the run's settings.json; of a shipped model's preset; a
        checkpoint from elsewhere is instructed and gets :data:`LONGEST` tokens.

    Raises:
        ValueError: settings.json cannot be read.
    """
    if model in SHIPPED_MODELS:
        return read_preset(model)
    path = Path(model)
    of_run = path.parent if path.name.startswith("checkpoint-") else path
    found = read_json(of_run / SETTINGS_FILE) if (of_run / SETTINGS_FILE).is_file() else {}
    return found if are_settings(found) else {"max_response_length": LONGEST, "instruct": True}
