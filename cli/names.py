"""Misspelt names: which one was meant."""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})


def meant(name: str, valid: Iterable[str], *, other_names: Mapping[str, str] = NOTHING) -> str | None:
    """The valid name that a wrong one looks like.

    Args:
        name: What was written.
        valid: What may be written.
        other_names: Name in other programs -> valid name.

    Returns:
        The valid name; None where none is near.

    Example:
        >>> meant("learnig-rate", ["learning-rate", "seed"])
        'learning-rate'
        >>> meant("lr", ["learning-rate", "seed"])
        'learning-rate'
    """
    candidates = list(valid)
    plain = _plain(name)
    if other_names.get(plain) in candidates:
        return other_names[plain]
    by_plain = {_plain(candidate): candidate for candidate in reversed(candidates)}
    if plain in by_plain:
        return by_plain[plain]
    initials = [item for item in candidates if len(plain) > 1 and plain == "".join(word[:1] for word in _words(item))]
    begun = [item for item in candidates if len(plain) > 2 and _plain(item).startswith(plain)]
    close = [by_plain[item] for item in difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.7)]
    return next(iter([*initials, *close, *begun]), None)


def hint(name: str, valid: Iterable[str], *, other_names: Mapping[str, str] = NOTHING) -> str:
    """As a sentence's part: "did you mean 'x'?", or "" where no valid name is near."""
    found = meant(name, valid, other_names=other_names)
    return "" if found is None else f"did you mean {found!r}?"


def check_choice(what: str, value: str, valid: Iterable[str]) -> None:
    """Refuse a name that is not valid.

    Args:
        what: The setting that the name is of.
        value: The name.
        valid: All names that it may be.

    Raises:
        ValueError: With the names, and the one that was meant.

    Example:
        >>> check_choice("dtype", "float3", ["float32", "bfloat16"])
        Traceback (most recent call last):
        ValueError: dtype='float3': expected one of float32, bfloat16. Fix: did you mean 'float32'?
    """
    names = list(valid)
    if value not in names:
        fix = hint(value, names) or "choose one of these."
        raise ValueError(f"{what}={value!r}: expected one of {', '.join(names)}. Fix: {fix}")


def _plain(name: str) -> str:
    return "-".join(_words(name))


def _words(name: str) -> list[str]:
    return [word for word in name.lower().replace("_", "-").replace(".", "-").split("-") if word]
