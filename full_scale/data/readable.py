"""The problems of a data set that a given model can read."""

from collections.abc import Sequence

from full_scale.model.processor import Processor
from full_scale.model.reserved import check_question, reserved_tokens
from full_scale.problems.problem import Problem
from full_scale.problems.quarantine import HINT, Quarantine


def readable_problems(
    problems: Sequence[Problem], processor: Processor, quarantine: Quarantine | None = None
) -> list[Problem]:
    """The problems without a special token of the model in their question.

    Args:
        problems: Loaded problems.
        processor: Of the model.
        quarantine: Takes the others; without one the first ends the program.

    Returns:
        The problems, in their order.

    Raises:
        ValueError: One cannot be read, and there is no quarantine, or there are too many.
    """
    reserved, sound, broken = reserved_tokens(processor), list[Problem](), list[str]()
    for problem in problems:
        try:
            check_question(problem, reserved)
        except ValueError as error:
            if quarantine is None:
                raise ValueError(f"{error} ({HINT})") from error
            broken.append(str(error))
            quarantine.leave_out(str(error), dataset=problem.source, id=problem.id)
        else:
            sound.append(problem)
    if quarantine is not None and problems:
        quarantine.check(problems[0].source, broken, len(sound))
    return sound
