"""Predict, then look: what will the figure show, and how sure are you? At the end: how well did you know what you knew?

``predict("1a", choice="b", confidence=0.7)`` stands before a figure, ``look("1a")`` after it; who has looked can no
longer predict. Predictions are kept in ``predictions.json`` beside the notebooks, which is never committed; to begin
anew, delete it. The questions are asked in the notebooks' text; a test compares the answers below with what is stored.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType

import torch
from torch import Tensor

VARIABLE = "CALIBRL_PREDICTIONS"
CHOICES = ("a", "b", "c")
ANEW = "to begin anew, delete predictions.json"
GUESSING = 1 / 3  # the confidence of one who does not know which of the three it is


@dataclass(frozen=True)
class Answer:
    """What the figure shows: one of the three choices, and why."""

    choice: str
    why: str


ANSWERS = {
    "0a": Answer("c", "sure of the truth is sure as well: the entropy falls from 2.30 nats to nearly 0"),
    "0b": Answer("a", "the ratio went up and the advantage wants it down: it is brought back with its full slope"),
    "1a": Answer(
        "c", "in none of the seeds: the shortcut's gain takes its probability before it is drawn often enough"
    ),
    "1b": Answer("a", "0.2 reaches an accuracy above 0.9; 0.03 keeps entropy alone, 0.6 never settles"),
    "2a": Answer(
        "c", "what is drawn is likely because it is drawn: more than nine in ten are likelier than the expert's"
    ),
    "3a": Answer(
        "b", "at 0.8 most runs have found nothing and still search; those with a small slope are sure of a find"
    ),
    "4a": Answer("b", "smaller advantages are a smaller step: at twice the rate it is as good as the divided one"),
    "5a": Answer("b", "about a hundredth of accuracy less, three times the coverage"),
    "5b": Answer("a", "nothing is attenuated at alpha 1, so nothing is left over to push the expert: it is GRPO"),
    "6a": Answer("b", "imitating what it cannot do, the policy falls below its start before GRPO sorts it out"),
    "6b": Answer("a", "one good demonstration in four is enough: what leads nowhere is refused by the verifier"),
    "7a": Answer("c", "its gradient is GRPO's, 5 to 10 % longer; a rate that is 10 % higher does the same"),
    "8a": Answer("c", "seven of ten: the broken lines are not taken there, or taken without harm"),
    "9a": Answer("a", "every ratio is 1 and the advantages of a group add up to 0; the gradient is not 0"),
    "9b": Answer("c", "less than half of it is left: what it does, it does by looking"),
    "9c": Answer("c", "what is rarely drawn is rarely rewarded: guessing has grown before a look could pay"),
    "10a": Answer("b", "0.3 does as well and 0.1 better: the smaller slope did it, not the adaptation"),
    "10b": Answer("c", "0.2: one seed each can show nearly anything"),
    "11a": Answer("c", "eight of ten: this world is kind, and even a wrong gradient finds the way"),
}
"""Number of a question -> its answer."""


def predict(number: str, *, choice: str | EllipsisType, confidence: float | EllipsisType) -> None:
    """Note a prediction, or say that none was made yet; after a look nothing is noted any more.

    Args:
        number: of the question, as ``"1a"``.
        choice: "a", "b" or "c"; three dots for no prediction.
        confidence: from 1/3 (guessed) to 1 (certain); three dots for no prediction.

    Raises:
        KeyError: there is no such question.
        ValueError: no such choice, or a confidence that is below guessing or above 1.
    """
    _ = ANSWERS[number]
    if isinstance(choice, EllipsisType) or isinstance(confidence, EllipsisType):
        return print("no prediction: replace the three dots, or go on without")
    if choice not in CHOICES:
        raise ValueError(f"choice={choice!r}: expected one of {list(CHOICES)}. Fix: give the letter.")
    if not GUESSING - 0.01 <= confidence <= 1.0:
        raise ValueError(f"confidence={confidence!r}: expected 0.33 to 1. Fix: guessing is right one time in three.")
    made = _read()
    said = made.get(number, {})
    if said.get("looked"):
        kept = f"({said['choice']}) stays your prediction" if "choice" in said else f"no prediction any more; {ANEW}"
        return print(f"you have looked: {kept}")
    _write(made | {number: {"choice": choice, "confidence": float(confidence), "looked": False}})
    return print(f"noted: ({choice}), {confidence:.0%} sure")


def look(number: str) -> None:
    """Print what the figure shows, why, and what the reader had predicted; note that it was looked at.

    Raises:
        KeyError: there is no such question.
    """
    answer, made = ANSWERS[number], _read()
    print(f"({answer.choice}) {answer.why}")
    said = made.get(number, {})
    if "choice" in said:
        print(f"you said ({said['choice']}), {said['confidence']:.0%} sure")
    _write(made | {number: said | {"looked": True}})


def predictions_made() -> tuple[Tensor, Tensor]:
    """Return confidence and whether it was right, ``[predictions]`` each, of all predictions that were looked at."""
    looked = {number: said for number, said in _read().items() if said["looked"] and "choice" in said}
    confidence = torch.tensor([float(said["confidence"]) for said in looked.values()], dtype=torch.float64)
    right = torch.tensor([said["choice"] == ANSWERS[number].choice for number, said in looked.items()])
    return confidence, right.bool()


def _file() -> Path:
    return Path(os.environ.get(VARIABLE) or Path(__file__).parents[1] / "predictions.json")


def _read() -> dict[str, dict[str, str | float | bool]]:
    made: dict[str, dict[str, str | float | bool]] = json.loads(_file().read_text()) if _file().exists() else {}
    return made


def _write(made: dict[str, dict[str, str | float | bool]]) -> None:
    _file().write_text(json.dumps(made, indent=1) + "\n")
