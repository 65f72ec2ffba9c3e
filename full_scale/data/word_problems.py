"""Small word problems in GSM8K's layout, for the tiny text model: two steps of arithmetic, and the steps as expert.

python full_scale/data/word_problems.py     # writes the shipped files again: the same ones, for the seed is fixed
"""

import dataclasses
import json
import random
from pathlib import Path

from full_scale.data.generated import Split, draw_until, split_of
from full_scale.data.text_only import GSM8K

FILES = Path(__file__).parent / "word_problem_files"
"""The shipped problems: ``train.jsonl`` and ``test.jsonl``."""

WORD_PROBLEMS = dataclasses.replace(GSM8K, name="word_problems", recognise=lambda _: False, shipped=FILES)

COUNTS: dict[Split, int] = {"train": 600, "test": 300}
NAMES = ("Ann", "Ben", "Eva", "Tom")
THINGS = ("apples", "books", "coins", "stamps")
STORIES = (
    ("{name} has {a} {thing}, buys {b} and loses {c}. How many are left?", "+-"),
    ("{name} has {a} {thing}, loses {b} and buys {c}. How many are left?", "-+"),
    ("{name} has {a} {thing}, buys {b} and finds {c}. How many are left?", "++"),
    ("{name} has {a} {thing}, loses {b} and sells {c}. How many are left?", "--"),
)
"""Question, and what is done with its second and third number."""


def word_problems(count: int, *, seed: int, split: Split) -> list[dict[str, str]]:
    """Random problems as GSM8K's records; the splits share no combination of story and numbers.

    Args:
        count: Number of problems.
        seed: Of stories, names and numbers.
        split: "train" or "test".

    Returns:
        Records with "question" and "answer"; the answer ends in "#### <result>".

    Raises:
        ValueError: The count is below 1, or there is no such split.
    """

    def draw(_place: int, rng: random.Random) -> dict[str, str] | None:
        """A story with three numbers."""
        text, operations = rng.choice(STORIES)
        a, b, c = rng.randint(25, 60), rng.randint(2, 12), rng.randint(2, 12)
        if split_of(f"{operations} {a} {b} {c}") != split:
            return None
        question = text.format(name=rng.choice(NAMES), thing=rng.choice(THINGS), a=a, b=b, c=c)
        return {"question": question, "answer": _solution(operations, a, b, c)}

    return draw_until(count, seed=seed, split=split, draw=draw)


def _solution(operations: str, a: int, b: int, c: int) -> str:
    middle = a + b if operations[0] == "+" else a - b
    end = middle + c if operations[1] == "+" else middle - c
    return f"{a}{operations[0]}{b}={middle}. {middle}{operations[1]}{c}={end}.\n#### {end}"


def main() -> None:
    """Write the shipped files."""
    FILES.mkdir(exist_ok=True)
    for split, count in COUNTS.items():
        lines = [json.dumps(record) + "\n" for record in word_problems(count, seed=0, split=split)]
        (FILES / f"{split}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    main()
