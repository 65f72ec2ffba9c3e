r"""The benchmarks' own scoring, as their published scripts do it: what a table that is compared with others must use.

The official scripts of MathVista, MathVerse and GeoEval let a GPT extract the answer from the response. Here
`final_answer` does that by rules (<answer>, \boxed, "answer is"); what follows is as in the scripts. Known
differences: the text in <answer> is taken first, wherever a response has it; MATH-Vision's latex2sympy is math-verify's
newer version of it; GeoEval's missing abs(), which passes any lower number, is put right; MathVerse's GPT judgement is
replaced by its own `--quick_match` (exact text).
"""

import re
from collections.abc import Sequence

from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.answer import (
    answer_matches,
    equal_answers,
    extract_answer,
    truth_readings,
    unboxed,
)
from full_scale.verifier.comparison import measured, statement
from full_scale.verifier.exact import InexactError
from full_scale.verifier.mathvision import mathvision_answer, mathvision_equal
from full_scale.verifier.values import approximate
from full_scale.verifier.wording import LONGEST_ANSWER, as_words

_GLLAVA = (
    r"Answer:([A-D])",
    r"the correct answer is option ([A-D])",
    r"option ([A-D]) is selected",
    r"the answer is option ([A-D])",
    r"the answer is \(([A-D])\)",
)
_STATED = re.compile(r"(?:answer is|answer should be|Answer:)[:\s]*(.+?)(?:\.\s|\.?$|\n)", re.IGNORECASE | re.MULTILINE)
_TOLERANCE = 1e-3  # of NGS and of GeoEval


def final_answer(response: str) -> str:
    r"""The answer that a response states: in <answer>, else in its last \boxed{...}, else after its last "answer is".

    Args:
        response: The model's whole text.

    Returns:
        The answer, or the whole response where it states none.
    """
    tagged = extract_answer(response)
    if tagged is not None:
        return tagged
    if "\\boxed{" in response:
        return unboxed(response)
    stated = _STATED.findall(response)
    return stated[-1].strip() if stated else response.strip()


def program(response: str, problem: Problem) -> bool:
    """The scoring of benchmarks of programs: every test is passed; tags are not asked for.

    Args:
        response: The model's whole text.
        problem: What it answers, with its task.

    Returns:
        True where the program in the answer, or else in the whole response, passes.
    """
    return answer_matches(extract_answer(response) or response, problem)


def gllava_letter(response: str) -> str | None:
    """The letter that G-LLaVA's script reads from a response (`scripts/geo_acc_calculate.py`).

    Args:
        response: The model's whole text.

    Returns:
        "A" to "D", or None.
    """
    for pattern in _GLLAVA:
        if found := re.search(pattern, response):
            return found[1]
    sentences = response.split(".")
    found = re.search(r"is ([A-D])", sentences[-2]) if len(sentences) > 1 else None
    return found[1] if found else None


def geometry3k(response: str, problem: Problem) -> bool:
    """EasyR1's and verl's scoring of Geometry3K: the choice's text; a letter does not count.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    return equal_answers(final_answer(response), problem.answer)  # EasyR1, verl: the choice's text


def gllava(response: str, problem: Problem) -> bool:
    """G-LLaVA's scoring of GeoQA: the letter that its patterns find.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    letter = gllava_letter(response)
    return letter is not None and letter == problem.answer_letter


def geoqa_program(response: str, problem: Problem) -> bool:
    """NGS's scoring of GeoQA: the first choice within 0.001 of the value is the one chosen.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    value, choices = number(final_answer(response)), problem.facts.get("choice_nums")
    if value is None or not isinstance(choices, (list, tuple)):
        return answer_matches(final_answer(response), problem)
    near = [choice is not None and abs(choice - value) < _TOLERANCE for choice in choices]
    return any(near) and near.index(True) == problem.facts["label"]


def geoeval(response: str, problem: Problem) -> bool:
    """GeoEval's: within 0.001 of the number, else the same words.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    given = final_answer(response)
    value, truth = number(given), number(problem.answer)
    if value is None or truth is None:
        return len(given) <= LONGEST_ANSWER and as_words(given) == as_words(problem.answer)
    return abs(value - truth) < _TOLERANCE


def mathverse(response: str, problem: Problem) -> bool:
    """MathVerse's --quick_match: exactly the letter or the text.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    truth = problem.facts.get("answer", problem.answer_letter or problem.answer)
    return final_answer(response) == str(truth).strip()  # some answers end in a blank


def mathvision(response: str, problem: Problem) -> bool:
    """MATH-Vision's: equal to the letter or the option's text, as text or as rounded values.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    given = mathvision_answer(response if (tagged := extract_answer(response)) is None else tagged)
    truths = [problem.answer_letter, problem.answer]
    return any(truth is not None and mathvision_equal(given, truth) for truth in truths)


def number(text: str) -> float | None:
    r"""The value of a number or a closed expression such as "4\sqrt{3}".

    Args:
        text: An answer.

    Returns:
        Its value, or None where it has none.
    """
    if len(text) > LONGEST_ANSWER:
        return None
    for reading in truth_readings(unboxed(text)):
        _, values = statement(reading)
        try:
            value = approximate(measured(values[0])[0], {}) if values else 0j
        except InexactError:
            continue
        if values and not value.imag:
            return value.real
    return None


def mathvista(response: str, problem: Problem) -> bool:
    """MathVista's: the nearest choice, or the rounded number.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    text = _mathvista_extraction(response)
    kind = problem.facts.get("answer_type")
    if problem.choices:
        return _nearest_text(text, problem.choices) == problem.answer
    if kind not in ("integer", "float"):
        return text == problem.answer
    try:
        value = float(text)
        return (str(int(value)) if kind == "integer" else str(_rounded(value, problem))) == problem.answer
    except (ValueError, OverflowError):
        return False


def _mathvista_extraction(response: str) -> str:
    """Its script's quick extraction ('The answer is "..."'), else by our rules what it asks a GPT for."""
    quoted = re.search(r'The answer is "(.*)"\.', response)
    return quoted[1] if quoted and extract_answer(response) is None else final_answer(response)


def _rounded(value: float, problem: Problem) -> float:
    return round(value, int(float(str(problem.facts.get("precision") or 0))))


def _nearest_text(text: str, choices: Sequence[str]) -> str:
    """MathVista: "(A)" or a letter is the choice; any other text is taken for the nearest choice."""
    bracketed = re.search(r"\(([a-zA-Z])\)", text)
    given = bracketed[1].upper() if bracketed else text[:LONGEST_ANSWER]
    if given in set(LETTERS[: len(choices)]):
        return choices[LETTERS.index(given)]
    return min(choices, key=lambda choice: edit_distance(given, choice))


def edit_distance(left: str, right: str) -> int:
    """Levenshtein's distance: insertions, deletions and substitutions.

    Args:
        left: A text.
        right: Another.

    Returns:
        The smallest number of edits from one to the other.
    """
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        above, row = row, [i]
        for j, b in enumerate(right, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (a != b)))
    return row[-1]


def symbolic(response: str, problem: Problem) -> bool:
    """The answer that a response states, judged as the training reward judges one in its tags.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    return answer_matches(final_answer(response), problem)


def gsm8k(response: str, problem: Problem) -> bool:
    """GSM8K's: the number after ####, or else the stated answer.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        The verdict.
    """
    _, mark, tail = response.rpartition("####")
    value, truth = number(tail if mark else final_answer(response)), number(problem.answer)
    return value is not None and value == truth
