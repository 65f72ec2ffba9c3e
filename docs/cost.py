"""What an update costs on paper: ``python docs/cost.py`` writes ``docs/cost.md`` from ``full_scale.run.cost``.

The formula is held against the tiny model, on which sharing was measured.
"""

from pathlib import Path

from full_scale.run import cost
from full_scale.run.cost import Work, forward, reading, scoring
from full_scale.run.memory import Size

PAGE = Path(__file__).with_suffix(".md")
TINY = Size(
    parameters=2_232_960,
    vision=1_337_600,
    stack=854_528,
    layers=4,
    width=128,
    inner=384,
    query=128,
    key_value=128,
    vocabulary=318,
)
"""The shipped vision-language model."""
MEASURED = {
    (112, 48): (0.34, 0.40),
    (448, 48): (0.14, 0.20),
    (448, 256): (0.22, None),
}
"""Pixels and tokens of a response -> time with a shared prompt over time without: forward + backward, and sampling.

One thread, G = 8, from the trial that came before the trainer's own; sampling was not tried with the long responses.
"""


def work(pixels: int, response: int) -> Work:
    """What was measured."""
    picture = (pixels // 28) ** 2
    return Work(
        prompts=4,
        prompt=29 + picture,
        picture=picture,
        responses=8,
        response=response,
        expert=False,
        checkpointed=False,
    )


def by_formula(given: Work) -> tuple[float, float]:
    """The same ratios by operations; on a CPU these bound sampling, too, unlike on a GPU."""
    scored = scoring(TINY, given, shared=True) / scoring(TINY, given, shared=False)
    written = given.prompts * forward(TINY, given, prompts=0, responses=given.responses)
    sampled = [reading(TINY, given, shared=shared) + written for shared in (True, False)]
    return scored, sampled[0] / sampled[1]


def points() -> list[tuple[str, float, float]]:
    """What was measured: its name, the formula's ratio, the measured one."""
    return [
        (f"{pixels} px, responses of {response}: {part}", formula, found)
        for (pixels, response), measured in MEASURED.items()
        for part, formula, found in zip(
            ("forward + backward", "sampling"), by_formula(work(pixels, response)), measured, strict=True
        )
        if found is not None
    ]


def written() -> str:
    """The page."""
    formula = (cost.__doc__ or "").partition("python -m full_scale.run.cost")[2].strip()
    return "\n".join(
        [
            "# What an update costs, on paper",
            "",
            "Written by `python docs/cost.py`. What was measured beside stock TRL is in"
            " [verification.md](verification.md#behaviour); `make bench` measures it again.",
            "",
            "An update of the released runs' size, 120 prompts with 10 responses and an expert, on H100s: 1,024 tokens"
            " of prompt, 900 of them its picture's, and 1,024 of each response. Memory is that of a micro-batch of a"
            " whole group, without vLLM. **Nothing here was measured on a GPU**, and the two shares ACHIEVED"
            f" ({cost.ACHIEVED}) and REACHED ({cost.REACHED}) are assumed; PEAK is {cost.PEAK / 1e12:.0f}e12 operations"
            f" and BANDWIDTH {cost.BANDWIDTH / 1e12:.2f}e12 bytes a second.",
            "",
            cost.table(),
            "",
            "## The formula behind each cell",
            "",
            formula,
            "",
            "## Beside the measured tiny model",
            "",
            "Time with a shared prompt over time without, one thread, G = 8. A test keeps the formula within a third of"
            " what was measured.",
            "",
            "| | formula | measured |",
            "|---|---|---|",
            *(f"| {name} | {ratio:.2f} | {found:.2f} |" for name, ratio, found in points()),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
