"""Whether a response's answer is the problem's answer: the rule of the training reward.

docs/verifier.md has the table of rules with examples. In short: the text in <answer> is read by a declared grammar,
and what is not in it is compared as words; numbers and polynomials are compared exactly, functions by math-verify.
"""

from functools import lru_cache

from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.choices import chosen_letter
from full_scale.verifier.code import Judgement, judge_program, program_of
from full_scale.verifier.comparison import has_value, same
from full_scale.verifier.grammar import Node, readings
from full_scale.verifier.units import SINGLE_LETTERS
from full_scale.verifier.values import names_of
from full_scale.verifier.wording import LONGEST_ANSWER, as_words, doubtful, plain, without_sentence

_BOX = "\\boxed{"


def is_correct(response: str, problem: Problem) -> bool:
    """Whether the text in <answer>...</answer> is the problem's answer.

    Args:
        response: The model's whole text.
        problem: The question with its ground truth.

    Returns:
        True where `answer_matches` accepts the extracted text; of a problem with ways only where one of them is taken.
    """
    text = extract_answer(response)
    return text is not None and takes_a_way(response, problem) and answer_matches(text, problem)


def takes_a_way(response: str, problem: Problem) -> bool:
    """Whether a response opens with one of its problem's ways; True where the problem tells no ways apart."""
    return problem.ways is None or problem.ways.taken(response) is not None


def judgement(response: str, problem: Problem) -> Judgement | None:
    """The verdict on the program in a response, with its reason.

    Args:
        response: The model's whole text.
        problem: The question.

    Returns:
        The verdict; None where no program is asked for.
    """
    if problem.task is None:
        return None
    text = extract_answer(response)
    if text is None:
        return Judgement(outcome="failed", reason="there is no answer in tags after the thought")
    return judge_program(program_of(text), problem.task)


def extract_answer(response: str) -> str | None:
    """The text in <answer>...</answer> after the thought.

    Args:
        response: The model's whole text.

    Returns:
        The text; None without the tags, inside a thought that does not end, and where two answers differ.

    Example:
        >>> extract_answer("<think>first <answer>4</answer></think> <answer> 5 </answer>")
        '5'
    """
    said = response.rpartition("</think>")[2].partition("<think>")[0]
    parts = said.split("<answer>")[1:]
    answers = {part.partition("</answer>")[0].strip() for part in parts if "</answer>" in part}
    closed = all("</answer>" in part for part in parts)
    return answers.pop() if closed and len(answers) == 1 else None


def unboxed(text: str) -> str:
    r"""The content of the last \boxed{...} of the text, or the text itself where it has none or does not close it.

    Args:
        text: Any text; braces may be nested.

    Returns:
        The content without surrounding blanks.
    """
    start = text.rfind(_BOX)
    end = _closing_brace(text, start + len(_BOX)) if start >= 0 else -1
    return text[start + len(_BOX) : end].strip() if end >= 0 else text


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return -1


def _only_box(text: str) -> str | None:
    """The answer in a box, with nothing around it that takes it back; None where boxes differ or one is not closed."""
    contents, around, place = set(), "", 0
    while (start := text.find(_BOX, place)) >= 0:
        end = _closing_brace(text, start + len(_BOX))
        if end < 0:
            return None
        contents.add(text[start + len(_BOX) : end].strip())
        around, place = around + text[place:start], end + 1
    if not contents:
        return text
    return contents.pop() if len(contents) == 1 and not doubtful(around + text[place:]) else None


def answer_matches(text: str, problem: Problem) -> bool:
    """Whether an extracted answer is right: as a choice, as words, as mathematics, or as a program by its cases.

    Args:
        text: What the model gave as its answer.
        problem: The question; where it has choices, both the right letter and the right choice's text count.

    Returns:
        True where it is right. An answer that names a choice, by its text or its letter, is judged by that choice.
    """
    if problem.task is not None:
        return judge_program(program_of(text), problem.task).outcome == "passed"
    if len(text) > LONGEST_ANSWER:
        return text.strip() == problem.answer.strip()
    content = _only_box(text)
    if content is None:
        return False
    letter = problem.answer_letter
    if letter is None and problem.answer.strip() in set(LETTERS):
        letter = problem.answer.strip()  # the choices are in the picture only
    given = chosen_letter(content, problem.choices, equal_answers) if letter else None
    return equal_answers(content, problem.answer) if given is None else given == letter


def equal_answers(text: str, truth: str) -> bool:
    r"""Whether two answers are equal: as mathematics where both are in the grammar, else as words.

    Args:
        text: The model's answer.
        truth: The ground truth.

    Returns:
        True where equal.

    Example:
        >>> equal_answers("6\\sqrt{7} cm", "6√7"), equal_answers("6√11", "6√7"), equal_answers("6", "6√7")
        (True, False, False)
    """
    if max(len(text), len(truth)) > LONGEST_ANSWER:
        return text.strip() == truth.strip()
    content, wanted = _only_box(text), unboxed(truth)
    if content is None or not plain(content):
        return False
    truths = truth_readings(wanted)
    if not truths:
        words = as_words(wanted)
        return as_words(content) == words and any(map(str.isalnum, words))
    names = frozenset[str]().union(*map(names_of, truths))
    given = readings(without_sentence(plain(content)), names)
    return any(same(one, other) for one in given for other in truths)


@lru_cache(maxsize=20_000)
def truth_readings(truth: str) -> tuple[Node, ...]:
    """How a ground truth may be read; a single letter glued to a number is a name in it, not a unit.

    Args:
        truth: The ground truth.

    Returns:
        The readings; none where it is no mathematics.
    """
    return readings(without_sentence(plain(truth)), SINGLE_LETTERS)


def compared_as_text(problem: Problem) -> bool:
    """Whether the verifier cannot parse a problem's answer, so that only the same wording counts as right.

    Args:
        problem: A problem.

    Returns:
        False for a choice, a number or an expression.
    """
    return (
        problem.task is None
        and problem.answer_letter is None
        and not any(map(has_value, truth_readings(unboxed(problem.answer))))
    )
