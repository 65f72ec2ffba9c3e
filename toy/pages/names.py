"""Methods in words: a name, an idea in at most eight words, and the address of the source."""

import inspect
import re

from calibrl_ref import RECIPES, read_method

NAMES: dict[str, tuple[str, str]] = {
    "grpo": ("GRPO", "compare within the group, clip the ratio"),
    "sft_grpo": ("SFT, then GRPO", "imitate the expert first, then learn alone"),
    "calibrl": ("CalibRL", "the expert is a reference, not a target"),
    "calibrl:exploration_weight=1": ("CalibRL, lambda 1", "the calibration weighs ten times the paper's"),
    "calibrl:slope=1": ("CalibRL, alpha 1", "no gate: the push on the expert cancels"),
    "calibrl_released": ("CalibRL, released code", "token by token, the expert detached"),
    "entropy_bonus": ("GRPO, entropy bonus", "GRPO plus a reward for indecision"),
    "dapo": ("DAPO", "clip higher, drop groups of one outcome"),
    "cppo": ("CPPO", "update only where the advantage is large"),
    "dr_grpo": ("Dr.GRPO", "GRPO without deviation and length division"),
    "clip_cov": ("Clip-Cov", "freeze few tokens that drive entropy down"),
    "luffy": ("LUFFY", "the expert is a shaped group member"),
    "rl_plus": ("RL-PLUS", "the expert by multiple importance sampling"),
}
"""Method, as the command line names it -> its name in words, and its idea."""


def name_of(method: str) -> str:
    """A method's name in words; one that has none is called as the command line calls it.

    Example:
        >>> name_of("sft_grpo"), name_of("calibrl:slope=0.3")
        ('SFT, then GRPO', 'calibrl:slope=0.3')
    """
    return NAMES.get(method, (method, ""))[0]


def idea_of(method: str) -> str:
    """A method's idea, or nothing."""
    return NAMES.get(method, ("", ""))[1]


def source_of(method: str) -> str:
    """Address of the paper that a method's recipe names in its docstring, or nothing.

    Example:
        >>> source_of("calibrl:slope=1")
        'https://arxiv.org/abs/2602.20197'
    """
    recipe = RECIPES.get(read_method(method)[0])
    found = re.search(r"arXiv:(\d{4}\.\d{5})", inspect.getdoc(recipe) or "") if recipe else None
    return f"https://arxiv.org/abs/{found[1]}" if found else ""
