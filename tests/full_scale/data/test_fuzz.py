"""Random records and damaged files: problems, or one short line that says what is wrong; nothing else, and no wait.

FUZZ_EXAMPLES=1000 python -m pytest tests/full_scale/data/test_fuzz.py runs as long as you like.
"""

import csv
import os
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import layouts
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from full_scale.data import Quarantine, load_problems
from full_scale.data.generic import USUAL
from full_scale.problems.problem import Problem

EXAMPLES = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
NAMES = sorted(name for names in USUAL.values() for name in names)
SIGNS = [
    "0.png",
    "../0.png",
    "A",
    "(B)",
    "5",
    "1/2",
    "[1, 2]",
    '{"a": 1}',
    "nan",
    "\ud83d",
    "\0",
    "https://a.org/0.png",
]
SIGNS += [
    "<image>",
    "<image>How long?",
    "<|image_pad|>",
    "<answer>5</answer>",
    "data:image/png;base64,AAAA",
    "iVBORw0KGgo=",
]
TEXTS = st.text(max_size=30) | st.sampled_from(SIGNS)
PLAIN = TEXTS | st.integers() | st.floats() | st.booleans() | st.none()
KEYS = st.sampled_from(
    ["role", "content", "from", "value", "type", "text", "bytes", "path", "image_url", "url", "ground_truth"]
)
CELLS = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXTS, inner, max_size=4), max_leaves=8
)
RECORDS = st.dictionaries(st.sampled_from(NAMES), CELLS, max_size=6)
TURNS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": CELLS}), max_size=3
)
SOUND = {"id": "sound", "question": "How long?", "answer": "5", "image": "0.png"}
WRITERS = ("geometry3k_hub", "gllava", "r1v", "geoqa_hub", "geoqa_pickle", "mathvista", "mathvision", "mathverse")
WRITERS += ("mmk12", "virl39k", "geoeval", "r1v_prompts", "verl", "gsm8k", "math", "virl39k_zip", "math500", "saved")
LONGEST, SECONDS = 2000, 10.0
"""Of a message, in characters, and of a reading: a reader of pickles is a process that starts anew."""


def judged(folder, split="train", quarantine=None):
    """It is read, or refused in a short line."""
    start, refused = time.process_time(), "."
    try:
        found = load_problems(str(folder), split=split, quarantine=quarantine)
        assert found
        assert all(isinstance(problem, Problem) and problem.answer.strip() for problem in found)
    except ValueError as error:
        refused = str(error)
    assert 0 < len(refused) < LONGEST, refused
    assert time.process_time() - start < SECONDS


@EXAMPLES
@given(records=st.lists(RECORDS, min_size=1, max_size=3), strict=st.booleans())
def test_any_record_is_read_or_refused(records, strict):
    with TemporaryDirectory() as place:
        folder = Path(place, "data")
        layouts.picture(folder / "0.png")
        layouts.write_jsonl(
            folder / "train.jsonl", [SOUND, *({**SOUND, "id": n, **row} for n, row in enumerate(records))]
        )
        judged(folder, quarantine=None if strict else Quarantine(Path(place, "quarantine.jsonl")))


@EXAMPLES
@given(turns=TURNS, name=st.sampled_from(["messages", "conversations", "prompt", "question"]))
def test_any_conversation_is_read_or_refused(turns, name):
    with TemporaryDirectory() as place:
        layouts.picture(Path(place, "0.png"))
        layouts.write_jsonl(Path(place, "train.jsonl"), [{name: turns, "answer": "5", "image": "0.png"}])
        judged(place)


@EXAMPLES
@given(rows=st.lists(st.lists(TEXTS, min_size=2, max_size=4), min_size=1, max_size=3), head=st.permutations(NAMES))
def test_any_table_of_text_is_read_or_refused(rows, head):
    with TemporaryDirectory() as place:
        with Path(place, "train.csv").open("w", encoding="utf-8", errors="replace", newline="") as file:
            csv.writer(file).writerows([["question", "answer", *head[:1]], *rows])
        judged(place)


@EXAMPLES
@given(
    writer=st.sampled_from(WRITERS),
    which=st.integers(0, 1000),
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 8)), min_size=1, max_size=4
    ),
    kept=st.just(1.0) | st.floats(0, 1),
)
@example(writer="saved", which=1, damage=[(0.0, b"\x00", 0)], kept=1.0)
def test_any_damaged_file_is_read_or_refused(writer, which, damage, kept):
    """Bytes are taken out of one of a layout's files, others are put there, and its end is cut off."""
    with TemporaryDirectory() as place:
        getattr(layouts, writer)(Path(place))
        files = sorted(path for path in Path(place).rglob("*") if path.is_file())
        content = bytearray((chosen := files[which % len(files)]).read_bytes())
        for where, put, taken in damage:
            first = int(where * len(content))
            content[first : first + taken] = put
        chosen.write_bytes(content[: round(kept * len(content))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's of what is strange in a picture that it reads
            for split in ("train", "test"):
                judged(place, split)
