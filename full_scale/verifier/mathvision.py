r"""MATH-Vision's own rules for reading a response and comparing its answer.

Behaviour of `evaluation/evaluate.py` and `evaluation/utils.py` of github mathllm/MATH-V, in our own words, with what
looks accidental there: the last "=" wins, units other than m^3, km and "units" stay, and fractions without braces are
mended only beside a root.
"""

import math
import re
from collections.abc import Sequence

from full_scale.verifier.checker import values_of
from full_scale.verifier.exact import InexactError
from full_scale.verifier.grammar import Node, readings
from full_scale.verifier.values import approximate, names_of
from full_scale.verifier.wording import LONGEST_ANSWER

_STATEMENTS = ("final answer is", "answer is", "correct answer is", "answer should be")
_BOX = "oxed{"
_REMOVED = (
    *(" ", "\\,", "\n", "\\text", "\\mbox", "\\left", "\\right", "^{\\circ}", "^\\circ"),
    *("{m}^3", "m^3", "{units}", "units", "{km}", "km"),
    *("\\!", "\\$", "$", "\\%"),
)  # in this order


def mathvision_answer(response: str) -> str:
    r"""The answer that MATH-Vision's script reads from a response.

    Args:
        response: The model's whole text, or its answer alone.

    Returns:
        Lower-case text without blanks, degree signs and dollars, such as "c" or "\frac{1}{2}".
    """
    text = _lone_letter(response.strip())
    number = text.split("is ")[-1].rstrip(".")
    text = _boxed_or_stated(number if _is_number(number) else text)
    text = _cleaned(_unwrapped(text.lower().replace("{}", "")))
    text = re.sub(r"\(([a-e])\)", r"\1", text)
    text = re.sub(r"\{([a-e])\}", r"\1", text)
    return text.rstrip(".").lstrip(":").strip()


def mathvision_equal(left: str, right: str) -> bool:
    """Whether two answers are equal as lower-case text, or as values rounded to two decimals.

    Args:
        left: An answer.
        right: Another.

    Returns:
        The verdict; empty text equals nothing. Tuples and lists are compared element by element.
    """
    left, right = left.lower().strip(), right.lower().strip()
    if not left or not right or max(len(left), len(right)) > LONGEST_ANSWER:
        return left == right != ""
    if left == right or _evaluated_tuple(left) == _evaluated_tuple(right):
        return True
    truth = _value(right)
    value = None if truth is None else _value(left)
    return truth is not None and value is not None and round(value, 2) == round(truth, 2)


def _lone_letter(text: str) -> str:
    for letter in "ABCDE":
        if text.endswith((f" {letter}.", f" ({letter}).")) or text.startswith(
            (f"{letter}\n", f"({letter})\n", f"({letter}) {letter}\n")
        ):
            text = letter
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _boxed_or_stated(text: str) -> str:
    if _BOX in text:
        return _BOX + text.rpartition(_BOX)[2] if text.count(_BOX) > 1 else text
    for statement in _STATEMENTS:
        for article in ("the", "The"):
            _, found, tail = text.rpartition(f"{article} {statement}")
            if found:
                text = tail.strip().split("\n")[0].split(". ")[0]
    return text


def _unwrapped(text: str) -> str:
    """What stands in the box, as far as the last closing brace; then up to a brace that was never opened."""
    _, box, tail = text.partition(_BOX)
    if box and "}" in tail:
        text = tail[: tail.rindex("}")]
    closed, opened = text.find("}"), text.find("{")
    return text[:closed] if closed >= 0 and (opened < 0 or closed < opened) else text


def _cleaned(text: str) -> str:
    text = text.split("=")[-1].split("\\approx")[-1]
    text = text.replace("∞", "\\infty").replace("+\\infty", "\\infty").replace("\\\\", "\\")
    for removed in _REMOVED:
        text = text.replace(removed, "")
    text = text.replace("bmatrix", "pmatrix").replace("tfrac", "frac").replace("dfrac", "frac").replace("{.", "{0.")
    text = f"0{text}" if text.startswith(".") else text
    if "sqrt" in text:
        text = re.sub(r"\\sqrt([^{])", r"\\sqrt{\1}", text)
        text = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", text)
    return re.sub(r"^(-?\d+)/(-?\d+)$", r"\\frac{\1}{\2}", "\\frac{1}{2}" if text == "0.5" else text)


def _evaluated_tuple(text: str) -> str:
    elements = text[1:-1].split(",")
    if text[0] + text[-1] not in ("()", "[]") or len(elements) < 2:
        return text
    known = [element if "infty" in element or element in ("a", "-a") else None for element in elements]
    values = iter(_values([element for element, kept in zip(elements, known, strict=True) if kept is None]))
    rounded = [kept if kept is not None else next(values) for kept in known]
    if None in rounded:
        return text
    return (
        text[0] + ",".join(item if isinstance(item, str) else str(round(item or 0.0, 2)) for item in rounded) + text[-1]
    )


def _value(text: str) -> float | None:
    return _values([text])[0]


def _values(texts: Sequence[str]) -> list[float | None]:
    """The values of expressions as latex2sympy gives them: plain ones are read here, the others put in one question."""
    known = {text: _plain_value(text) for text in texts}
    others = [text for text, (is_plain, _) in known.items() if not is_plain]
    found = dict(zip(others, values_of(*others), strict=True)) if others else {}
    return [found.get(text, known[text][1]) for text in texts]


_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_QUOTIENT = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)
_PLAIN = re.compile(r"(?:\\(?:frac|sqrt)(?=\{)|\\(?:pi|cdot|times)(?![a-z])|\d|[-+*/^.{}()])+", re.ASCII)
_UNLIKE = re.compile(r"\*\*|\^\\|\d\\frac|[-+]{2}|\}\s*\d|[\d)]\(|(?<![tc^}])\{")
_CONSTANT = re.compile(r"\\pi|π|^pi$")
_NO_NUMBER = re.compile(r"\D*|.*(?<![a-z\\])(?!and)[a-z]{3,}.*|.*\\(?:mathrm|text)\{.*", re.DOTALL | re.ASCII)


def _plain_value(text: str) -> tuple[bool, float | None]:
    """(True, value) of a plain expression, (True, None) of words, names, quantities; (False, None): ask latex2sympy.

    What is plain is what latex2sympy is known to read in the same way: a test compares both.
    """
    text = text.removeprefix("$").removesuffix("$").removesuffix("^{\\circ}")
    text = text if re.search(r"\d\s+\d", text) else text.replace(" ", "")
    if _NUMBER.fullmatch(text):
        return True, float(text)
    if (terms := _QUOTIENT.fullmatch(text)) and int(terms[2]):
        return True, int(terms[1]) / int(terms[2])
    if text == "e":
        return True, math.e
    if _NO_NUMBER.fullmatch(text) and not _CONSTANT.search(text):
        return True, None
    reading = next(iter(readings(text)), None)
    return (False, None) if reading is None else _value_of_reading(reading, text)


def _value_of_reading(reading: Node, text: str) -> tuple[bool, float | None]:
    is_measured = reading.kind == "quantity" and text[-1].isalpha()  # "12inches"; degrees are for latex2sympy
    is_tuple = reading.kind == "tuple" and len(reading.parts) > 1
    if reading.kind != "relation" and (names_of(reading) or is_measured or is_tuple):
        return True, None
    if not _PLAIN.fullmatch(text) or _UNLIKE.search(text):
        return False, None
    try:
        value = approximate(reading, {})
    except InexactError:
        return False, None
    return True, value.real if not value.imag else None
