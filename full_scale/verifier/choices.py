# ruff: noqa: RUF001  # dashes of many keyboards are the subject
"""Which choice an answer names: by its letter, by its text, or by both where they agree."""

import re
from collections.abc import Callable, Sequence

from full_scale.problems.problem import LETTERS
from full_scale.verifier.wording import as_words, doubtful, plain, without_sentence

_BEFORE = (
    r"(?:(?:my|the|your|so|thus|hence|therefore|final|correct|right|best|most|suitable|appropriate|matching|answer|option|"
    r"choice|letter|is|are|would|be|must|should|i|we|choose|select|pick|it|to|go|with|for|this|question|problem|"
    r"corresponds|matches|which|that|of|and|in|conclusion|figure|image|picture|statement)\b[\s,:=]*+)*+"
    r"(?:(?:所以|因此|综上|故|则|应|该|本题|此题|这题|正确|最终|最后|的|答案|选项|选择|选|答|解|为|是|应该|应当|,|:|\s)*+)"
)
_OPEN, _CLOSE = r"(?:[\[({<*_\"']|\\text\s*)*", r"[\])}>*_\"']*"
_CHOICE = re.compile(
    rf"{_BEFORE}[\s:=]*+({_OPEN})([A-Ja-j])({_CLOSE})(?![A-Za-z0-9'^_\\])(.*)", re.DOTALL | re.IGNORECASE
)
_AFTER = re.compile(
    r"\s*(?:is|as)?\s*(?:the|my)?\s*(?:(?:final|only|correct|right|best)\s+)*(?:answer|option|choice|one|correct|right)?|选项|正确|是正确的|项"
    r"|为正确答案|是正确答案|项正确",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"\s*(?:[.:,;、=]|-{1,2}|–|—|→|\\(?:right)?arrow|\\to)\s*|\s+")
_LAST = re.compile(
    rf"(.+?)[\s,;.]*(?:which is|i\.e\.|that is|so|thus|hence|corresponds to|corresponding to|matches|,|:|\s)*"
    rf"\(?(?:the\s+)?(?:(?:correct\s+)?(?:answer|option|choice)(?:\s+is)?|选项?|故选)?[\s:]*({_OPEN})([A-J])({_CLOSE})",
    re.DOTALL | re.IGNORECASE,
)
_LONE_LETTER = re.compile(r"(?<![A-Za-z\\])[A-J](?![A-Za-z'])")
_REASON = re.compile(r"\s*[,;(.:-]*\s*(?:because|since|as|for|due to|因为|由于)\b", re.IGNORECASE)


def chosen_letter(text: str, choices: Sequence[str], equal: Callable[[str, str], bool]) -> str | None:
    """The choice that an answer names: "C", "(c)", "C: 65°", "65° (C)", "故选C", or the very text of choice C.

    Args:
        text: The model's answer.
        choices: Texts of A, B, C ...; empty, or the letters themselves, where they are in the picture only.
        equal: Whether an answer equals a choice's text.

    Returns:
        Its letter; "" where it contradicts itself: several letters, one that is taken back ("(B) is wrong"), a letter
        and the text of another choice ("B: 48" where 48 is C); None where it names no letter.
    """
    for form in (plain, as_words):  # the very text: "8 cm" and "8 cm²" may be two choices
        texts = [form(choice) for choice in choices]
        if form(text) and texts.count(form(text)) == 1:
            return LETTERS[texts.index(form(text))]
    texts = list(choices) if list(choices) != list(LETTERS[: len(choices)]) else []
    words = plain(text)
    first = _letter_first(words, texts, len(choices), equal)
    return _letter_last(words, texts, equal) if first is None else first


def _letter_first(words: str, texts: Sequence[str], count: int, equal: Callable[[str, str], bool]) -> str | None:
    found = _CHOICE.fullmatch(words)
    if found is None:
        return None
    opened, given, closed, rest = found.groups()
    letter = given.upper()
    if letter not in LETTERS[: count or len(LETTERS)] or not _balanced(opened, closed):
        return None
    separator = _SEPARATOR.match(rest)
    said = rest[separator.end() :] if separator else rest
    delimited = bool(closed or (separator and separator[0].strip()))
    if rest and not separator and not closed:
        return letter if _AFTER.fullmatch(rest) else None
    if not said.strip() or ((given.isupper() or delimited) and _AFTER.fullmatch(said)):
        return letter
    if _agrees(said, letter, texts, equal, delimited=delimited, reason=rest):
        return letter
    return "" if delimited else None


def _balanced(opened: str, closed: str) -> bool:
    """Whether brackets match; a closing one alone is a list's: "B)"."""
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
    need = [pairs[sign] for sign in reversed(opened) if sign in pairs]
    have = [sign for sign in closed if sign in pairs.values()]
    if set(closed) & set("\"'") - set(opened):
        return False
    return have in (need, [")"]) and (have == need or not need)


def _agrees(
    said: str, letter: str, texts: Sequence[str], equal: Callable[[str, str], bool], *, delimited: bool, reason: str
) -> bool:
    """Whether what follows a letter says nothing else: its choice's text, or a reason without a doubt."""
    if texts and equal(said, texts[LETTERS.index(letter)]):
        return True
    others = set(_LONE_LETTER.findall(said)) - {letter}
    if doubtful(said) or others or len(said) > 300:
        return False
    is_reason = _REASON.match(reason) is not None
    return (is_reason or delimited) if not texts else is_reason


def _letter_last(words: str, texts: Sequence[str], equal: Callable[[str, str], bool]) -> str | None:
    """The letter after the text: "36 (B)", "36, option B"."""
    found = _LAST.fullmatch(words)
    if found is None or not texts:
        return None
    said, opened, letter, closed = found[1], found[2], found[3].upper(), found[4]
    if letter not in LETTERS[: len(texts)] or not _balanced(opened, closed):
        return None
    return letter if equal(without_sentence(said), texts[LETTERS.index(letter)]) else None
