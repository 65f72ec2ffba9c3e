"""From problems to the rows that the trainer reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from datasets import Dataset

from full_scale.data import Quarantine, expert_response
from full_scale.model.processor import Processor, tokenizer_of
from full_scale.model.prompting import behind, conversation, model_inputs, opening
from full_scale.model.reserved import check_format, check_question, reserved_in, reserved_tokens, without_end
from full_scale.problems.problem import Problem
from full_scale.problems.quarantine import HINT
from full_scale.verifier.rewards import reward

Row: TypeAlias = dict[str, Any]
"""A row of the training data: TRL's ``prompt`` and ``images``, the ``problem``, and its ``expert`` or None."""


@dataclass(frozen=True, kw_only=True)
class Expert:
    """An expert's response to a problem.

    Attributes:
        text: The whole response, with the opening that the chat template writes.
        ids: Tokens of what follows the opening, the end token included.
        correct: The verifier's verdict.
        reward: Accuracy and weighted format.
    """

    text: str
    ids: tuple[int, ...]
    correct: bool
    reward: float


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """What was left out, as counts: prompts and experts that are too long, and experts that the verifier rejects.

    Attributes:
        long_prompts: Problems left out.
        long_experts: Experts left out; their problems stay.
        wrong_experts: As well.
        kept_experts: Problems with an expert that was kept.
    """

    long_prompts: int
    long_experts: int
    wrong_experts: int
    kept_experts: int

    @property
    def share(self) -> float:
        """The share of the experts that was left out, from 0 to 1."""
        dropped = self.long_experts + self.wrong_experts
        return dropped / max(dropped + self.kept_experts, 1)

    def __str__(self) -> str:
        """One line for the log."""
        return (
            f"dropped: {self.long_prompts} too long prompts, {self.long_experts} too long experts, "
            f"{self.wrong_experts} experts that the verifier rejects ({self.share:.0%} of all experts)"
        )

    def check_experts(self, method: str) -> None:
        """Refuse a run without experts under a method that is about them.

        Args:
            method: Its name.

        Raises:
            ValueError: Every expert was left out.
        """
        if self.share == 1.0:
            raise ValueError(
                f"method={method!r}: expected experts, but {self.long_experts} are longer than max_response_length and "
                f"the verifier rejects {self.wrong_experts}, so none is left. Fix: raise --max-response-length, end "
                "the experts in the problem's answer, or --method grpo"
            )


def training_rows(
    problems: Sequence[Problem],
    processor: Processor,
    *,
    instruct: bool,
    format_weight: float,
    max_prompt_length: int,
    max_response_length: int,
    trust_experts: bool = False,
    quarantine: Quarantine | None = None,
) -> tuple[Dataset, Dropped]:
    """Rows for :class:`~full_scale.training.trainer.HybridPolicyTrainer`; nothing is ever cut.

    Args:
        problems: Training problems.
        processor: Of the model.
        instruct: As in :func:`~full_scale.model.prompting.conversation`.
        format_weight: Weight of the format in an expert's reward.
        max_prompt_length: Tokens, image tokens included; a longer prompt is dropped.
        max_response_length: Tokens; a longer expert is dropped, its problem stays.
        trust_experts: Take every expert for right, whatever the verifier says.
        quarantine: Takes the problems that this model cannot read; without one the first ends the program.

    Returns:
        A data set that builds each row when it is read, and what was dropped.

    Raises:
        ValueError: If every prompt is too long, no response can have the format that is rewarded, or a question or an
            expert holds a special token of the model.
    """
    check_format(processor)
    read = partial(
        _read, processor=processor, instruct=instruct, format_weight=format_weight, trust_experts=trust_experts
    )
    sound = _readable(problems, read, quarantine)
    kept = [(problem, expert) for problem, length, expert in sound if length <= max_prompt_length]
    if not kept:
        raise ValueError(
            f"all {len(problems)} prompts are longer than max_prompt_length ({max_prompt_length}); raise it."
        )
    faults = [_expert_fault(expert, max_response_length) for _, expert in kept]
    used = [(problem, expert if fault is None else None) for (problem, expert), fault in zip(kept, faults, strict=True)]
    dropped = Dropped(
        long_prompts=len(sound) - len(kept),
        long_experts=faults.count("long"),
        wrong_experts=faults.count("wrong"),
        kept_experts=sum(expert is not None for _, expert in used),
    )

    def build(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Draw and word the problems of one batch, when the data set is read; each once, however often it is asked."""
        rows = {index: _row(*used[index], instruct=instruct) for index in dict.fromkeys(batch["index"])}
        return {
            name: [rows[index][name] for index in batch["index"]] for name in ("prompt", "images", "problem", "expert")
        }

    has_expert = [expert is not None for _, expert in used]
    return Dataset.from_dict({"index": range(len(used)), "has_expert": has_expert}).with_transform(build), dropped


def kept_back(rows: Dataset, *, most: int = 64) -> tuple[Dataset, Dataset]:
    """Keep rows with experts back for a validation loss: a tenth of them, at equal distances.

    Args:
        rows: What :func:`training_rows` gives.
        most: So many at most.

    Returns:
        The rows to train on, and those that are kept back: at least one, if there is an expert.
    """
    experts = [row for row, has_expert in enumerate(rows.with_format(None)["has_expert"]) if has_expert]
    count = min(most, -(-len(experts) // 10))
    apart = [experts[number * len(experts) // count] for number in range(count)]
    return rows.select(sorted(set(range(len(rows))) - set(apart))), rows.select(apart)


def _read(
    problem: Problem, processor: Processor, *, instruct: bool, format_weight: float, trust_experts: bool
) -> tuple[int, Expert | None]:
    """A prompt's tokens, and its expert; raises where the model would read anything else than what is written."""
    check_question(problem, reserved_tokens(processor))
    try:
        length = model_inputs(processor, [problem], instruct=instruct)["input_ids"].shape[1]
    except ValueError as error:  # a picture that this processor does not take
        raise ValueError(f"{problem.name}: the processor refuses it: {error}") from error
    return length, expert_of(problem, processor, format_weight=format_weight, trust=trust_experts)


def _readable(
    problems: Sequence[Problem],
    read: Callable[[Problem], tuple[int, Expert | None]],
    quarantine: Quarantine | None,
) -> list[tuple[Problem, int, Expert | None]]:
    """The problems that the model can read, each with its prompt's tokens and its expert."""
    sound: list[tuple[Problem, int, Expert | None]] = []
    broken: list[str] = []
    for problem in problems:
        try:
            sound.append((problem, *read(problem)))
        except ValueError as error:
            if quarantine is None:
                raise ValueError(f"{error} ({HINT})") from error
            broken.append(str(error))
            quarantine.leave_out(str(error), dataset=problem.source, id=problem.id)
    if quarantine is not None:
        quarantine.check(problems[0].source, broken, len(sound))
    return sound


def expert_of(problem: Problem, processor: Processor, *, format_weight: float, trust: bool = False) -> Expert | None:
    """A problem's expert as the trainer reads it: tokenised, verified and rewarded as a sampled response is.

    Args:
        problem: The problem.
        processor: Of the model.
        format_weight: Weight of the format in the reward.
        trust: Take it for right, whatever the verifier says.

    Returns:
        The expert, without end tokens of its own; None where the problem has none.

    Raises:
        ValueError: If the response holds a special token, such as the one of pictures.
    """
    response, reserved = expert_response(problem), reserved_tokens(processor)
    if response is None:
        return None
    opened = opening(processor)
    written = behind(opened, without_end(response, reserved))
    if token := reserved_in(written, reserved):
        raise ValueError(f"{problem.name}: the expert's response holds {token!r}, a special token; remove it")
    tokenizer, text = tokenizer_of(processor), opened + written
    ids = tokenizer(written, add_special_tokens=False)["input_ids"]
    earned = reward(text, problem, format_weight=format_weight)
    earned = replace(earned, accuracy=1.0) if trust else earned
    return Expert(text=text, ids=(*ids, tokenizer.eos_token_id), correct=earned.correct, reward=earned.total)


def _expert_fault(expert: Expert | None, longest: int) -> str | None:
    if expert is None:
        return None
    if not expert.correct:
        return "wrong"
    return "long" if len(expert.ids) > longest else None


def _row(problem: Problem, expert: Expert | None, *, instruct: bool) -> Row:
    message = conversation(problem, instruct=instruct)[0]
    return {
        "prompt": [{"role": "user", "content": message["content"][-1]["text"]}],  # TRL puts the pictures in front
        "images": problem.rgb_images(),
        "problem": problem,
        "expert": expert,
    }
