"""The paper's verifiable rewards: accuracy of the text in <answer>, and format of the whole response.

Source: CalibRL, section on training; released code `src/reward_score/virl_verify.py` (behaviour, not text).
"""

import math
import re
from collections.abc import Sequence

from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.checker import MAX_LENGTH, symbolically_equal

LONGEST_ANSWER = 1000
"""Characters; a longer answer must equal the ground truth letter by letter, so that no text can stall the patterns."""

_LETTER = re.compile(
    r"(?i:(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)?(?:\s+is)?|选项?|答案[是为]?)\s*:?\s*"
    r"\**\(?([A-J])(?:\)|\*\*|[.:]|$)\s*(.*)",
    re.DOTALL,
)
_UNITS = (
    r"cm|mm|km|dm|m|metres?|meters?|ft|feet|inches|inch|in|yards|yd|miles|litres?|liters?|units?|degrees?|deg|"
    r"[平立]方(?:厘米|分米|毫米|千米|米)|厘米|分米|毫米|千米|米|度"
)
_UNIT = re.compile(
    rf"(?:(?<=[\d.)}}])|(?<=\\pi)|(?<=\\pi\s)|(?<=π))\s*(?:square\s+|cubic\s+|sq\.?\s*)?"
    rf"\\?(?:{_UNITS})\s*(?:\^?\s*\{{?[23]\}}?|[²³])?$",
    re.IGNORECASE,
)
_NAME = re.compile(  # "Volume = 32", "= 32", "The answer is 32"; not "x = 5"
    r"^(?:(?:[A-Za-z]{2,}\s*)?=|(?i:(?:the\s+)?(?:final\s+|correct\s+)?answer(?:\s+is|\s*:)))\s*(?=.)"
)
_LEFT_SIDE = re.compile(r"^[^=\d+*/^<>{}()-]{1,30}=\s*(?=[^=]+$)")  # "x = 65", "∠ABC = 65"
_WORD = re.compile(r"(?<![A-Za-z\\])(?!(?:arc)?(?:sin|cos|tan|cot|sec|csc)h?\b|log\b|sqrt\b|frac\b|mod\b)[A-Za-z]{3,}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_FULL_WIDTH = {0xFF01 + place: 0x21 + place for place in range(94)}  # a Chinese keyboard's letters and digits
_ENDLESS = re.compile(r"\d{3,}\s*!|!\s*!|\\(?:sum|prod)|(?:\^|\*\*)\s*\{[^{}]*(?:\^|\*\*)|(?:\^|\*\*)\s*[\\(]")
_EXPONENT = re.compile(r"(?:\^|\*\*)\s*\{?\s*-?\s*(\d+)")
_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")


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
    _, opened, rest = response.partition("<answer>")
    text, closed, _ = rest.partition("</answer>")
    return unboxed(text.strip()) if opened and closed else None


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
    if len(text) > LONGEST_ANSWER:
        return text.strip() == problem.answer.strip()
    letter = problem.answer_letter
    if letter is None and problem.answer.strip() in set(LETTERS):
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
    for form in (_plain, normalised):  # without units "8 cm" and "8 cm²" may be two choices of one text
        texts = [form(choice) for choice in choices]
        if form(text) and texts.count(form(text)) == 1:
            return LETTERS[texts.index(form(text))]
    found = _LETTER.fullmatch(_plain(text))
    return found[1] if found and found[1] in LETTERS[: len(choices) or len(LETTERS)] else None


def equal_answers(text: str, truth: str) -> bool:
    r"""Whether two answers are equal as normalised text or by math-verify.

    Args:
        text: The model's answer.
        truth: The ground truth.

    Returns:
        True where equal: "145°" and "145", "4\sqrt{3}" and "4 \sqrt { 3 }", "1/2" and "0.5". Answers with words are
        compared as text, whatever their capitals.
    """
    if max(len(text), len(truth)) > LONGEST_ANSWER:
        return text.strip() == truth.strip()
    given, wanted = normalised(unboxed(text)), normalised(unboxed(truth))
    if not given:
        return False
    if "=" not in wanted:
        given = _LEFT_SIDE.sub("", given)
    given_text, wanted_text = given.replace(" ", ""), wanted.replace(" ", "")
    if has_words(wanted) or has_words(given):
        return given_text.lower() == wanted_text.lower()
    return given_text == wanted_text or (not endless(given) and symbolically_equal(given, wanted))


def normalised(text: str) -> str:
    """An answer without delimiters, degree signs, units, thousands commas and a final full stop.

    Args:
        text: An answer, plain or LaTeX.

    Returns:
        The text that is compared, with single spaces.
    """
    text = re.sub(r"\^\s*\{?\s*\\circ\s*\}?|°|\\degree|掳", "", _plain(text))  # 掳: a degree sign misread
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = _NAME.sub("", re.sub(r"\s+", " ", text).strip()).rstrip(".")
    return _UNIT.sub("", text).strip()


def _plain(text: str) -> str:
    """The text without LaTeX's delimiters, spaces and text commands, and with ASCII for full-width characters."""
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", text.translate(_FULL_WIDTH))
    text = re.sub(r"\\(?:left|right)(?![a-z])|\\[,;!\s]|\$|\\[()\[\]]|~|\0", " ", text)
    return text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").strip()


def has_words(text: str) -> bool:
    """Whether an answer contains words, so that it is compared as text: "isosceles triangle", "等腰三角形".

    Args:
        text: An answer.

    Returns:
        True for three letters in a row that name neither a LaTeX command nor a function, and for Chinese.
    """
    return _WORD.search(text) is not None or _CHINESE.search(text) is not None


def compared_as_text(problem: Problem) -> bool:
    """Whether the verifier cannot parse a problem's answer, so that only the same wording counts as right.

    Args:
        problem: A problem.

    Returns:
        False for a choice, a number or an expression.
    """
    truth = normalised(unboxed(problem.answer))
    return problem.answer_letter is None and (has_words(truth) or endless(truth) or len(truth) > MAX_LENGTH)


def endless(text: str) -> bool:
    """Whether checking an expression would take very long: towers of powers, large factorials, sums, large expansions.

    The checker's limits would stop it too, but at the price of a new process; a policy may write hundreds of these.

    Args:
        text: A model's answer, which nobody has vetted.

    Returns:
        True where it must be compared as text only.
    """
    exponent = math.prod(int(digits[:9]) or 1 for digits in _EXPONENT.findall(text))
    return bool(_ENDLESS.search(text)) or exponent > (12 if _VARIABLE.search(text) else 1000)
