"""The verdict on a response: the training reward's next to the benchmark's own, and why the two differ."""

from dataclasses import dataclass

from full_scale.problems.problem import Problem
from full_scale.verifier.answer import extract_answer, is_correct
from full_scale.verifier.official import final_answer, official_score
from full_scale.verifier.rewards import format_reward

REWARD_RULE = "equal as a choice's letter or text, or symbolically, in the first <answer>...</answer>"
"""What the training reward asks for."""

_SYMBOLIC = "equal as a choice's letter or text, or symbolically"
OFFICIAL_RULES: dict[str, str] = {
    "geometry3k": "equal to the right choice's text, symbolically; a letter does not count (EasyR1, verl)",
    "geoqa": "the first choice within 0.001 of the number is the right one (NGS)",
    "geoqa_gllava": "the letter that G-LLaVA's patterns find in the response is the right one",
    "geoqa_joined": _SYMBOLIC,
    "geoqa_r1v": f"{_SYMBOLIC} (R1-V's math-verify)",
    "geoeval": "within 0.001 of the number; rules replace the script's GPT extraction, its missing abs() is put right",
    "mathverse": "exactly the letter or the text; rules replace the script's GPT extraction, its own --quick_match its "
    "GPT judgement",
    "mathvision": "equal to the letter or the option's text, as text or as values rounded to 2 decimals "
    "(latex2sympy as math-verify maintains it)",
    "mathvista": "the choice nearest by edit distance, or the rounded number; rules replace GPT's extraction",
    "mmk12": _SYMBOLIC,
    "virl39k": f"{_SYMBOLIC} (math-verify, as its card recommends)",
    "verl": _SYMBOLIC,
    "gsm8k": "the number after ####, or else the stated answer, is equal",
    "math": _SYMBOLIC,
}
"""`Problem.source` -> what its official scoring counts as right, and what stands in for a GPT."""


@dataclass(frozen=True)
class Verdict:
    """Two judgements of one response.

    Args:
        correct: The training reward counts it as right.
        official: The benchmark's scoring does; None where the source has none.
        well_formed: The whole response is <think>...</think>...<answer>...</answer>.
    """

    correct: bool
    official: bool | None
    well_formed: bool

    @property
    def differs(self) -> bool:
        """Whether the two judgements contradict each other."""
        return self.official is not None and self.official != self.correct


def judge(response: str, problem: Problem) -> Verdict:
    """Judge a response by the training reward and by the benchmark's own scoring.

    Args:
        response: The model's whole text.
        problem: What it answers.

    Returns:
        Both verdicts.
    """
    return Verdict(
        correct=is_correct(response, problem),
        official=official_score(response, problem),
        well_formed=format_reward(response) == 1.0,
    )


def why_different(response: str, problem: Problem) -> str:
    """Why reward and official scoring may judge a response differently: they read, or they ask for, something else.

    Args:
        response: A response whose verdict differs.
        problem: What it answers.

    Returns:
        One of a few sentences, so that equal causes can be counted.
    """
    if extract_answer(response) is None:
        read = "the whole response" if final_answer(response) == response.strip() else "the answer stated in the text"
        return f"no <answer> tags: the reward reads nothing, the official scoring reads {read}"
    strictness = "stricter" if is_correct(response, problem) else "laxer"
    return f"both read the same answer, the official scoring is {strictness}: {OFFICIAL_RULES[problem.source]}"
