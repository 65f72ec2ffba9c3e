"""The paper's verifiable rewards: accuracy of the text in <answer>, and format of the whole response.

Source: CalibRL, section on training; released code `src/reward_score/virl_verify.py` (behaviour, not text).
"""

import math
import re
import threading
from collections.abc import Sequence

from math_verify import parse, verify

from full_scale.problem import LETTERS, Problem

PROMPT_SUFFIX = (
    "You FIRST think about the reasoning process as an internal monologue and then provide the final answer. "
    "The reasoning process MUST BE enclosed within <think> </think> tags. "
    "The final answer MUST BE put in <answer> </answer> tags."
)
"""The paper's instruction, appended to every question."""

MAX_ANSWER_LENGTH = 200
"""Characters; a longer answer is compared as text only, so that no answer can stall the symbolic check."""

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_FORMAT = re.compile(r"\s*<think>.*?</think>.*?<answer>.*?</answer>\s*", re.DOTALL)
_LETTER = re.compile(r"(?:option|choice)?\s*\(?([A-J])(?:\)|[.:]|$)\s*(.*)", re.DOTALL)
_UNITS = r"cm|mm|km|dm|m|ft|feet|inches|inch|in|yards|yd|units?|degrees?|deg|厘米|米|度"
_UNIT = re.compile(rf"(?<=[\d.)}}])\s*(?:square\s+|sq\.?\s*)?\\?(?:{_UNITS})(?:\^?\{{?[23]\}}?|[²³])?$", re.IGNORECASE)
_ENDLESS = re.compile(r"!|\\(?:sum|prod|int|lim|binom|choose)|(?:\^|\*\*)\s*\{[^{}]*(?:\^|\*\*)|(?:\^|\*\*)\s*[\\(]")
_EXPONENT = re.compile(r"(?:\^|\*\*)\s*\{?\s*-?\s*(\d+)")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")


def accuracy_reward(response: str, problem: Problem) -> float:
    """1.0 where the text in the first <answer>...</answer> is right, else 0.0 (also without the tags).

    Args:
        response: The model's whole text.
        problem: The question with its ground truth.

    Returns:
        0.0 or 1.0.
    """
    return float(is_correct(response, problem))


def format_reward(response: str) -> float:
    """1.0 where the whole response is <think>...</think>...<answer>...</answer>, else 0.0.

    Args:
        response: The model's whole text.

    Returns:
        0.0 or 1.0.
    """
    return float(_FORMAT.fullmatch(response) is not None)


def is_correct(response: str, problem: Problem) -> bool:
    """Whether the text in the first <answer>...</answer> is the problem's answer.

    Args:
        response: The model's whole text.
        problem: The question with its ground truth.

    Returns:
        True where `answer_matches` accepts the extracted text.
    """
    text = extract_answer(response)
    return text is not None and answer_matches(text, problem)


def extract_answer(response: str) -> str | None:
    """The text in the first <answer>...</answer>, unwrapped from a box that spans it; None without the tags."""
    found = _ANSWER.search(response)
    return unboxed(found[1].strip()) if found else None


def unboxed(text: str) -> str:
    r"""The content of the last \boxed{...} of the text, or the text itself where it has none.

    Args:
        text: Any text; braces may be nested.

    Returns:
        The content without surrounding blanks.
    """
    _, box, rest = text.rpartition("\\boxed{")
    depth = 1
    for place, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if box and depth == 0:
            return rest[:place].strip()
    return text


def answer_matches(text: str, problem: Problem) -> bool:
    """Whether an extracted answer equals the ground truth: as a choice letter, as text, or symbolically.

    Args:
        text: What the model gave as its answer.
        problem: The question; where it has choices, both the right letter and the right choice's text count.

    Returns:
        True where it is right. An answer that names a choice, by its text or its letter, is judged by that choice.
    """
    letter = problem.answer_letter
    if letter is None and problem.answer.strip() in LETTERS:
        letter = problem.answer.strip()  # the choices are in the picture only
    given = chosen_letter(text, problem.choices) if letter else None
    return given == letter if given else equal_answers(text, problem.answer)


def chosen_letter(text: str, choices: Sequence[str]) -> str | None:
    """The choice that an answer names: "C", "(C)", "C: 65°", "option C", or the very text of choice C.

    Args:
        text: The model's answer.
        choices: Texts of A, B, C ...; empty where they are in the picture only.

    Returns:
        Its letter, or None.
    """
    texts = [normalised(choice) for choice in choices]
    if normalised(text) in texts:
        return LETTERS[texts.index(normalised(text))]
    found = _LETTER.fullmatch(text.strip())
    return found[1] if found and found[1] in LETTERS[: len(choices) or len(LETTERS)] else None


def equal_answers(text: str, truth: str) -> bool:
    r"""Whether two answers are equal as normalised text or by math-verify.

    Args:
        text: The model's answer.
        truth: The ground truth.

    Returns:
        True where equal: "145°" and "145", "4\sqrt{3}" and "4 \sqrt { 3 }", "1/2" and "0.5".
    """
    given, wanted = normalised(unboxed(text)), normalised(unboxed(truth))
    if not given:
        return False
    return given.replace(" ", "") == wanted.replace(" ", "") or _symbolically_equal(given, wanted)


def normalised(text: str) -> str:
    """An answer without delimiters, degree signs, units, thousands commas and a final full stop.

    Args:
        text: An answer, plain or LaTeX.

    Returns:
        The text that is compared; lower-case words, single spaces.
    """
    text = re.sub(r"\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree", "", text)
    text = re.sub(r"\\(?:left|right|,|;|!|\s)|\$|\\[()\[\]]", " ", text).replace("\\dfrac", "\\frac")
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return _UNIT.sub("", text).strip()


def _symbolically_equal(text: str, truth: str) -> bool:
    if max(len(text), len(truth)) > MAX_ANSWER_LENGTH or endless(text):
        return False
    # math-verify's time limit is a signal, which Python allows in the main thread only. Elsewhere `endless` alone keeps
    # the check short, and the limit is switched off explicitly.
    limit = 5 if threading.current_thread() is threading.main_thread() else 0
    parsed = [parse(f"${answer}$", parsing_timeout=limit) for answer in (truth, text)]
    return bool(verify(*parsed, timeout_seconds=limit))


def endless(text: str) -> bool:
    """Whether checking an expression could take very long: towers of powers, factorials, sums, large expansions.

    Args:
        text: A model's answer, which nobody has vetted.

    Returns:
        True where it must be compared as text only, in every thread alike.
    """
    exponent = math.prod(int(digits[:9]) or 1 for digits in _EXPONENT.findall(text))
    return bool(_ENDLESS.search(text)) or exponent > (12 if _VARIABLE.search(text) else 1000)
