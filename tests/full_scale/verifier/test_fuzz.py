# ruff: noqa: RUF001, SIM905  # signs of many alphabets are the subject; word lists read best as text
"""Random answers: no exception, no wait, and no wrong verdict where the right one is known by construction.

FUZZ_EXAMPLES=100000 python -m pytest tests/full_scale/verifier/test_fuzz.py runs as long as you like.
"""

import os
import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from full_scale.data.verdicts import BY_SOURCE, official_score, scoring_of
from full_scale.problems.problem import Problem
from full_scale.verifier.answer import answer_matches, equal_answers, is_correct
from full_scale.verifier.grammar import readings
from full_scale.verifier.official import number
from full_scale.verifier.rewards import reward

PIECES = [
    *"0 1 2 5 12 52 100 1000 0.5 .5 1,234 x y n i e pi cm km kg hours and or not is the area answer B (B) C A.".split(),
    *"π √ ∛ { } ( ) [ ] | ! ^ _ + - * / = < > ≤ ≠ ± % ° ' '' , ; : . ? ½ ² ⁻ $ € ** ` & → ≈ ~".split(),
    *r"\sqrt \frac \dfrac \{ \} \pm \cdot \times \left( \right) \infty \cup \binom \sin \log \ln \text{cm} \%".split(),
    *r"^\circ \$ \boxed{ <answer> </answer> <think> </think> \sum \int \prod \begin{pmatrix} \\ \to".split(),
    *(
        "故选",
        "答案",
        "是",
        "厘米",
        "个",
        "\u200b",
        "\u202e",
        "\0",
        "\ud800",
        "99999999",
        "10^{9}",
        "9^9",
        "e9",
        " ",
        "\n",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=40)
CHOICE = Problem(id="1", source="s", question="q", answer="36", choices=("24", "36", "48", "60"), answer_letter="B")
EXAMPLES = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@EXAMPLES
@given(text=TEXTS, truth=TEXTS)
@example(text="\ud800", truth="\ud800")
@example(text="\\frac", truth="\\frac1")
@example(text="^", truth="_")
@example(text="log_{} 8", truth="\\log_{x+} 2")
@example(text="|", truth="||")
@example(text="1e999", truth="1e-999")
@example(text="0^{0}", truth="0^{-1}")
@example(text="1:0", truth="0:0")
@example(text="$", truth="**")
@example(text="5 and", truth="and")
def test_any_text_has_a_verdict_in_no_time(text, truth):
    start = time.process_time()
    whole = truth.encode(errors="ignore").decode()  # a problem refuses half characters, an answer may have them
    free = Problem(id="1", source="s", question="q", answer=whole if whole.strip() else "52")
    assert equal_answers(text, truth) in (True, False)
    assert answer_matches(text, free) in (True, False)
    assert answer_matches(text, CHOICE) in (True, False)
    assert reward(text, free, format_weight=0.1).total in (0.0, 0.1, 1.0, 1.1)
    assert number(text) is None or isinstance(number(text), float)
    assert time.process_time() - start < 1.0


@EXAMPLES
@given(text=TEXTS, source=st.sampled_from(sorted(filter(scoring_of, BY_SOURCE))))
def test_any_text_has_an_official_verdict(text, source):
    facts = {"answer_type": "float", "precision": 1, "label": 1, "choice_nums": [1.0, 36.0, None, 3.0]}
    problem = Problem(
        id="1", source=source, question="q", answer="36", choices=CHOICE.choices, answer_letter="B", facts=facts
    )
    assert official_score(text, problem) in (True, False)


NUMBERS = st.fractions(min_value=-999, max_value=999, max_denominator=60)


def written(value, form):
    sign, size = "-" * (value < 0), abs(value)
    whole, part = divmod(size, 1)
    forms = {
        "fraction": f"{sign}\\frac{{{size.numerator}}}{{{size.denominator}}}",
        "slash": f"{sign}{size.numerator}/{size.denominator}",
        "short": f"${sign}\\dfrac {{{size.numerator}}}{{{size.denominator}}}$",
        "times": f"{sign}{size.numerator} \\cdot \\frac{{1}}{{{size.denominator}}}",
        "mixed": f"{sign}{whole} {part.numerator}/{part.denominator}" if whole and part else f"{sign}{size}",
        "sentence": f"The area is {sign}{size} cm.",
        "boxed": f"so \\boxed{{{sign}{size}}}",
        "root": f"{sign}\\sqrt{{{size.numerator**2}}}/{size.denominator}",
        "sum": f"{sign}({size.numerator + 7}/{size.denominator} - 7/{size.denominator})",
    }
    return forms[form]


FORMS = st.sampled_from("fraction slash short times mixed sentence boxed root sum".split())


@EXAMPLES
@given(left=NUMBERS, right=NUMBERS, one=FORMS, other=FORMS)
@example(left=Fraction(11, 2), right=Fraction(11, 2), one="mixed", other="slash")
def test_numbers_are_equal_in_all_forms_and_only_then(left, right, one, other):
    assert equal_answers(written(left, one), written(left, other))
    assert equal_answers(written(left, one), written(right, other)) is (left == right)


ROOTS = st.tuples(st.integers(1, 30), st.integers(1, 300))


@EXAMPLES
@given(left=ROOTS, right=ROOTS)
def test_roots_are_equal_where_their_squares_are(left, right):
    (a, b), (c, d) = left, right
    assert equal_answers(f"{a}√{b}", f"{c}\\sqrt{{{d}}}") is (a * a * b == c * c * d)
    assert equal_answers(f"√({a * a * b}) cm", f"{a}√{{{b}}}")


SIGNS = "?&@#\\;→⇒≡∧∨¬♥⌊⌋∮∇"


@EXAMPLES
@given(value=st.integers(1, 999), place=st.integers(0, 3), sign=st.sampled_from(SIGNS))
def test_a_sign_that_is_not_in_the_grammar_is_never_skipped(value, place, sign):
    text = str(value)
    changed = text[:place] + sign + text[place:]
    if changed.rstrip(";") == text:  # a final semicolon is punctuation
        return
    assert not equal_answers(changed, text)
    assert not equal_answers(f"{text} {sign} 7", text)


@pytest.mark.parametrize(
    "text", ["1 2", "1. 2", "x 2", "\\foo", "5 §", "(1,2", "1,2)", "2^3^4", "x/2y", "∠", "√", "5 4/3"]
)
def test_what_the_grammar_refuses(text):
    assert readings(text) == ()


def test_a_right_answer_is_right_in_every_case_of_the_fuzz():
    assert is_correct("<think>t</think><answer>36</answer>", CHOICE)
