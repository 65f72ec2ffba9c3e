r"""MATH-Vision's own rules for reading a response and comparing its answer.

Behaviour of `evaluation/evaluate.py` and `evaluation/utils.py` of github mathllm/MATH-V, in our own words, with what
looks accidental there: the last "=" wins, units other than m^3, km and "units" stay, and fractions without braces are
mended only beside a root.
"""

import re

from full_scale.verifier.checker import value_of

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
    if not left or not right:
        return False
    left, right = _evaluated_tuple(left), _evaluated_tuple(right)
    if left == right:
        return True
    values = value_of(left), value_of(right)
    return values[0] is not None and values[1] is not None and round(values[0], 2) == round(values[1], 2)


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
    values = [element if "infty" in element or element in ("a", "-a") else _rounded(element) for element in elements]
    return text if None in values else text[0] + ",".join(map(str, values)) + text[-1]


def _rounded(text: str) -> str | None:
    value = value_of(text)
    return None if value is None else str(round(value, 2))
