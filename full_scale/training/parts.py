"""What a run is made of, loaded and checked before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from datasets import Dataset
from rich.console import Console
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from full_scale.data import MissingSplitError, Quarantine, load_problems
from full_scale.data.readable import readable_problems
from full_scale.evaluation.held_out import held_out_problems, shown_examples
from full_scale.model.checkpoint import load_model
from full_scale.model.place import check_weights, check_whole
from full_scale.model.processor import Processor, load_processor
from full_scale.model.prompting import opening
from full_scale.problems.problem import Problem
from full_scale.run.folder import versions
from full_scale.run.machine import weights_dtype
from full_scale.run.settings import Settings
from full_scale.training.checks import check_ways
from full_scale.training.rows import Dropped, kept_back, training_rows

EXPERTS = {
    "dataset": "the data set's own solutions",
    "answer_only": "a bare statement of the right answer (NOT a chain of thought)",
    "none": "none",
}
"""Setting of the experts -> what they are, for the log."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run is made of, loaded and checked before anything is written.

    Attributes:
        processor: Of the model.
        model: The initial one.
        problems: For training.
        rows: Of these, as the trainer reads them.
        kept_back: Rows for a plateau's validation loss; None where the method has none.
        dropped: What was left out of them.
        held_out: Problems that are answered before and after training.
        versions: Of the packages.
    """

    processor: Processor
    model: PreTrainedModel
    problems: Sequence[Problem]
    rows: Dataset
    kept_back: Dataset | None
    dropped: Dropped
    held_out: Sequence[Problem]
    versions: dict[str, str]

    @property
    def texts(self) -> list[str]:
        """The texts of all problems."""
        every = (*self.problems, *self.held_out)
        return [text for item in every for text in (item.question, item.answer, item.solution) if text]


def load(settings: Settings, console: Console, quarantine: Quarantine | None = None) -> Parts:
    """Load and check all that a run needs.

    Args:
        settings: All options.
        console: Where it says what was dropped.
        quarantine: Takes broken records; without one the first ends the program.

    Returns:
        The parts.

    Raises:
        ValueError: If the data or the model does not fit.
    """
    found = versions()
    if settings.lora_rank:
        check_whole(settings.model_folder)
    check_weights(settings.model_folder)
    processor = load_processor(settings.model_folder, remote_code=settings.remote_code)
    problems = load_problems(
        settings.dataset,
        split="train",
        limit=settings.limit,
        seed=settings.seed,
        experts=settings.experts,
        columns=settings.columns,
        quarantine=quarantine,
    )
    settings.check_enough(len(problems), settings.dataset)
    problems = shown_examples(problems, settings)
    rows, dropped = load_rows(settings, problems, processor, console, quarantine)
    rows, kept = _with_validation(settings, rows, console)
    model = load_model(settings.model_folder, dtype=weights_dtype(settings), remote_code=settings.remote_code)
    check_ways(model, processor, problems, settings)
    return Parts(
        processor=processor,
        problems=problems,
        rows=rows,
        kept_back=kept,
        dropped=dropped,
        held_out=_held_out(settings, processor, quarantine, console),
        model=model,
        versions=found,
    )


def _with_validation(settings: Settings, rows: Dataset, console: Console) -> tuple[Dataset, Dataset | None]:
    """The rows to train on, and those that a plateau's validation loss needs."""
    if settings.schedule().plateau is None:
        return rows, None
    rows, kept = kept_back(rows)
    settings.check_enough(len(rows), f"{settings.dataset} without {len(kept)} for the validation loss")
    console.print(f"kept back, so that the loss on their experts ends the supervised stage: {len(kept)} problems")
    return rows, kept


def _held_out(
    settings: Settings, processor: Processor, quarantine: Quarantine | None, console: Console
) -> Sequence[Problem]:
    try:
        return readable_problems(held_out_problems(settings, quarantine), processor, quarantine)
    except MissingSplitError as error:
        console.print(f"nothing is measured before and after training, as no problems are held out: {error}")
        return []


def load_rows(
    settings: Settings,
    problems: Sequence[Problem],
    processor: Processor,
    console: Console,
    quarantine: Quarantine | None = None,
) -> tuple[Dataset, Dropped]:
    """The training rows of a run's problems.

    Args:
        settings: All options.
        problems: For training.
        processor: Of the model.
        console: Where it says what was dropped.
        quarantine: Takes problems that the model cannot read; without one the first ends the program.

    Returns:
        The rows, and what was dropped.

    Raises:
        ValueError: If the data does not fit the model or the method.
    """
    if isinstance(processor, PreTrainedTokenizerBase) and any(problem.images for problem in problems):
        raise ValueError(
            f"{settings.dataset} has pictures, but {settings.model} reads text only. "
            "Fix: choose another --model or --dataset."
        )
    if settings.schedule().uses_expert and all(problem.solution is None for problem in problems):
        raise ValueError(
            f"method {settings.method} reads experts, but no problem of {settings.dataset} has one. Fix: --experts "
            "column:<name>, file:<path> (full_scale/make_experts.py makes one) or answer_only, or choose --method grpo."
        )
    lengths = {name: getattr(settings, name) for name in ("max_prompt_length", "max_response_length")}
    rows, dropped = training_rows(
        problems,
        processor,
        instruct=settings.instruct,
        format_weight=settings.format_weight,
        trust_experts=settings.trust_experts,
        quarantine=quarantine,
        **lengths,
    )
    settings.check_enough(len(rows), f"{settings.dataset} after what was dropped ({dropped})")
    if settings.schedule().uses_expert:
        dropped.check_experts(settings.method)
    missing = sum(problem.solution is None for problem in problems)
    console.print(f"{settings.method} on {settings.dataset}: {len(rows)} problems; {dropped}; {missing} without expert")
    if opened := opening(processor):
        console.print(f"the chat template opens {opened.strip()} itself: responses are judged with it")
    console.print(f"expert: {EXPERTS.get(settings.experts, settings.experts)}")
    return rows, dropped
