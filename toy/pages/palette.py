"""Colours and dashes: a method looks the same in every figure and page (a kind of path: `toy.world.KIND_COLOURS`)."""

from collections.abc import Sequence

STYLES: dict[str, tuple[str, str]] = {
    "grpo": ("#000000", "-"),
    "calibrl": ("#D55E00", "-"),
    "calibrl:slope=1": ("#D55E00", ":"),
    "calibrl_released": ("#CC79A7", "-"),
    "entropy_bonus": ("#56B4E9", "-"),
    "sft_grpo": ("#009E73", "-"),
    "luffy": ("#0072B2", "-"),
    "rl_plus": ("#0072B2", "--"),
    "dapo": ("#E69F00", "-"),
    "dr_grpo": ("#E69F00", "--"),
    "cppo": ("#E69F00", ":"),
    "clip_cov": ("#56B4E9", "--"),
}
"""Method -> colour (Okabe and Ito's palette, which the colour-blind can tell apart) and dash."""

_SPARE = ("#CC79A7", "#009E73", "#0072B2", "#D55E00", "#E69F00", "#56B4E9", "#000000")


def style_of(method: str) -> tuple[str, str]:
    """Colour and dash of a method; one without a fixed style gets one that depends on its name only."""
    return STYLES.get(method, (_SPARE[sum(method.encode()) % len(_SPARE)], "-."))


def styles_of(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Colours and dashes of methods that stand side by side: fixed styles are kept, and no two are the same.

    Args:
        methods: their names, without repetition.

    Example:
        >>> styles_of(["grpo", "calibrl:gap=token_aligned", "calibrl:slope=0.3"])[0]
        ('#000000', '-')
    """
    taken = {STYLES[method] for method in methods if method in STYLES}
    free = [(colour, dash) for dash in ("-", "--", "-.", ":") for colour in _SPARE]
    others = iter([style for style in free if style not in taken and style[0] != "#000000"])
    return [STYLES[method] if method in STYLES else next(others) for method in methods]
