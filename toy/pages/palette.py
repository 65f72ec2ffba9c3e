"""Colours and dashes: a method looks the same in every figure and page (a kind of path: `toy.world.KIND_COLOURS`)."""

from collections.abc import Sequence

STYLES: dict[str, tuple[str, str]] = {
    "grpo": ("#000000", "-"),
    "calibrl": ("#D55E00", "-"),
    "calibrl:exploration_weight=1": ("#D55E00", "--"),
    "calibrl:slope=1": ("#D55E00", ":"),
    "calibrl_released": ("#E69F00", "-."),
    "sft_grpo": ("#009E73", "-"),
    "luffy": ("#0072B2", "-"),
    "rl_plus": ("#0072B2", "--"),
    "entropy_bonus": ("#56B4E9", "-"),
    "clip_cov": ("#56B4E9", "--"),
    "dapo": ("#CC79A7", "--"),
    "dr_grpo": ("#CC79A7", "-."),
    "cppo": ("#CC79A7", ":"),
}
"""Method -> colour (of Okabe and Ito's palette) and dash: two of one dash differ for the colour-blind, too (a test)."""

_COLOURS = ("#0072B2", "#CC79A7", "#56B4E9", "#009E73", "#E69F00", "#D55E00")
_FIRST = (
    ("#0072B2", "-"),
    ("#CC79A7", "--"),
    ("#56B4E9", "-"),
    ("#009E73", ":"),
    ("#E69F00", "-."),
    ("#0072B2", "--"),
    ("#CC79A7", "-."),
    ("#0072B2", ":"),
)
"""Styles for methods without one of their own; further ones repeat a dash with a colour that is harder to tell."""


def style_of(method: str) -> tuple[str, str]:
    """Colour and dash of a method; one without a fixed style gets one that depends on its name only."""
    return STYLES.get(method, (_COLOURS[sum(method.encode()) % len(_COLOURS)], "-."))


def styles_of(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Colours and dashes of methods that stand side by side: fixed styles are kept, and no two are the same.

    Args:
        methods: their names, without repetition.

    Example:
        >>> styles_of(["grpo", "calibrl:gap=token_aligned", "calibrl:slope=0.3"])[0]
        ('#000000', '-')
    """
    taken = {STYLES[method] for method in methods if method in STYLES}
    free = dict.fromkeys([*_FIRST, *((colour, dash) for dash in ("-", "--", "-.", ":") for colour in _COLOURS)])
    others = iter([style for style in free if style not in taken])
    return [STYLES[method] if method in STYLES else next(others) for method in methods]
