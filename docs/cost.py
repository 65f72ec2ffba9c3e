"""What an update costs: ``python docs/cost.py`` writes ``docs/cost.md`` and ``docs/growth.png``.

The formula is ``full_scale.run.cost``; it is held against the tiny model, as ``results/bench.json`` has it.
"""

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.full_scale import GROWTH, STOCK, UPDATE, Load
from benchmarks.rows import FILE, Row, load
from full_scale.run import cost
from full_scale.run.cost import Work, forward, reading, scoring
from full_scale.run.memory import Size

PAGE = Path(__file__).with_suffix(".md")
PICTURE = Path(__file__).with_name("growth.png")
QUESTION, EXPERT = 29, 40
"""Tokens of a tiny prompt beside its picture, and of a tiny expert, about."""
AXES = {"responses per prompt": "G = ", "tokens of a response": "responses of ", "side of a picture, pixels": " px"}
"""What grows -> how the benchmark's names say it."""
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

One thread, G = 8, from the trial that came before the trainer's own, which no command repeats; sampling was not tried
with the long responses.
"""


def work(given: Load) -> Work:
    """What was measured, without an expert."""
    picture = (given.pixels // 28) ** 2
    return Work(
        prompts=4,
        prompt=QUESTION + picture,
        picture=picture,
        responses=given.group_size,
        response=given.shortest,
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
            ("forward + backward", "sampling"),
            by_formula(work(Load(pixels=pixels, shortest=response))),
            measured,
            strict=True,
        )
        if found is not None
    ]


def with_expert(given: Load) -> float:
    """The formula's ratio of forward and backward pass with shared prompts and an expert to stock TRL's without."""
    stock = work(given)
    one, none = (scoring(TINY, replace(stock, responses=count, response=EXPERT), shared=True) for count in (1, 0))
    return (scoring(TINY, stock, shared=True) + one - none) / scoring(TINY, stock, shared=False)


def growth() -> dict[str, Row]:
    """Rows of the last ``python -m benchmarks growth``."""
    return {row.name: row for row in load(PAGE.parents[1] / FILE)["growth"]}


def points_of_growth(rows: dict[str, Row]) -> list[tuple[str, float, float]]:
    """As :func:`points`, beside stock TRL."""
    return [
        (f"calibrl / {STOCK}, {name}: {UPDATE}", with_expert(given), rows[f"{name}: {UPDATE}"].ratio)
        for name, given in GROWTH.items()
    ]


def parts_of_a_step() -> list[str]:
    """Seconds of each part of a step, stock TRL's and ours, as lines of Markdown."""
    sections = load(PAGE.parents[1] / FILE)
    sizes = {pixels: {row.name: row for row in sections[f"step, {pixels} px"]} for pixels in (112, 448)}
    lines = ["| part | " + " | ".join(f"{STOCK}, {pixels} px | calibrl" for pixels in sizes) + " |", "|---" * 5 + "|"]
    for part in ("sampling", "rewards", UPDATE, "optimiser", "rest"):
        rows = [found[f"calibrl: {part}"] for found in sizes.values()]
        lines.append(f"| {part} | " + " | ".join(f"{row.theirs:.3f} | {row.ours:.3f}" for row in rows) + " |")
    return lines


def draw(rows: dict[str, Row]) -> Figure:
    """Seconds of a step as each of three things grows, beside stock TRL's."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (label, mark) in zip(figure.subplots(1, 3), AXES.items(), strict=True):
        found = sorted((int(name.replace(mark, "")), rows[name]) for name in GROWTH if mark in name)
        places = [place for place, _ in found]
        axes.plot(places, [row.theirs for _, row in found], "s--", color="#555555", label=STOCK)
        axes.plot(places, [row.ours for _, row in found], "o-", color="#0072b2", label="calibrl, prompts shared")
        axes.set(xlabel=label, ylabel="CPU seconds of a step", xticks=places, ylim=(0, None))
        axes.legend()
    return figure


def written() -> str:
    """The page."""
    formula = (cost.__doc__ or "").partition("python -m full_scale.run.cost")[2].strip()
    return "\n".join(
        [
            "# What an update costs",
            "",
            "Written by `python docs/cost.py`. What was measured beside stock TRL is in"
            " [verification.md](verification.md#behaviour) and below; `make bench` measures it again.",
            "",
            "## As groups, responses and pictures grow",
            "",
            "![seconds of a step as groups, responses and pictures grow](growth.png)",
            "",
            "One update of the tiny vision-language model, 4 prompts, in CPU seconds of one thread; stock TRL has no"
            " expert. What is not varied is G = 8, 112 pixels, and responses of 48 tokens, none of which ends before."
            " Figures: [results/bench.json](../results/bench.json).",
            "",
            "## Where the seconds of a step go",
            "",
            *parts_of_a_step(),
            "",
            "*Medians, in CPU seconds of one thread (`make bench`). The rest is what prepares a batch: stock TRL gives"
            " each response's picture to the processor, here each prompt's is given once.*",
            "",
            "What is left is the model. `python -m cProfile full_scale/train.py --steps 20 --evaluate-problems"
            " 0` (2026-11-27; the profiler slows Python): of 62 s in 20 updates sampling took 29, the backward pass"
            " 19, the forward pass 11; the verifier 1. Before the first update all 2,000 problems are read once as"
            " the model will read them, so that a broken one is named before anything is lost: 15 s under the"
            " profiler.",
            "",
            "That profile, a day before, showed 11 of 97 s in the key-value cache, which transformers copies for each"
            " token. It grows in place now, by 64 tokens at a time, and responses that have ended are no longer"
            " computed (`full_scale/model/decoding.py`); the cache takes 1 s. The sampled tokens are the same.",
            "",
            "## On paper",
            "",
            "An update of the released runs' size, 120 prompts with 10 responses and an expert, on H100s: 1,024 tokens"
            " of prompt, 900 of them its picture's, and 1,024 of each response. Memory is that of a micro-batch of a"
            " whole group, without vLLM. **Nothing here was measured on a GPU**, and the two shares ACHIEVED"
            f" ({cost.ACHIEVED}) and REACHED ({cost.REACHED}) are assumed; PEAK is {cost.PEAK / 1e12:.0f}e12 operations"
            f" and BANDWIDTH {cost.BANDWIDTH / 1e12:.2f}e12 bytes a second.",
            "",
            cost.table(),
            "",
            "### The formula behind each cell",
            "",
            formula,
            "",
            "### Beside the measured tiny model",
            "",
            "Time with a shared prompt over time without, one thread, G = 8, from a trial that no command repeats; and"
            " calibrl's, with its expert, over stock TRL's, from results/bench.json. A test keeps the formula"
            " within a third of what was measured.",
            "",
            "| | formula | measured |",
            "|---|---|---|",
            *(
                f"| {name} | {ratio:.2f} | {found:.2f} |"
                for name, ratio, found in [*points(), *points_of_growth(growth())]
            ),
            "",
        ]
    )


if __name__ == "__main__":
    draw(growth()).savefig(PICTURE, dpi=110)
    PAGE.write_text(written(), encoding="utf-8")
