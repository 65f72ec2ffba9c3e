"""Anybody's table: columns for question, answer, pictures, choices, expert, id, by their usual or by given names.

docs/your_data.md shows it to users.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from full_scale.data.cells import as_text, choices_of, pictures_of, shown
from full_scale.data.chats import Chat, is_chat, read_chat, spoken
from full_scale.data.records import ROW_NUMBER, Cell, Record, Row, did_you_mean, fingerprint, names_of
from full_scale.data.schema import Request, Schema
from full_scale.data.tables import check_readable, columns_of, table_rows, tables_of
from full_scale.data.wording import IMAGE_MARK, listed_choices, with_choices
from full_scale.problems.problem import LETTERS, Problem
from full_scale.verifier.answer import equal_answers, extract_answer, unboxed
from full_scale.verifier.choices import chosen_letter

USUAL: dict[str, tuple[str, ...]] = {
    "question": (
        *("question", "problem", "prompt", "query", "instruction", "question_text", "problem_text", "input"),
        *("conversations", "messages", "conversation", "text", "题目", "问题"),
    ),
    "answer": (
        *("answer", "ground_truth", "gt", "gold", "gold_answer", "final_answer", "correct_answer", "gt_answer"),
        *("answer_index", "answer_idx", "label", "target", "answers", "reward_model", "答案"),
    ),
    "pictures": (
        *("pictures", "images", "image", "image_path", "image_paths", "image_file", "img", "img_path", "picture"),
        *("file_name", "filename", "image_url", "decoded_image", "diagram", "figure", "图片"),
    ),
    "choices": ("choices", "options", "candidates", "choice_list", "选项"),
    "expert": (
        *("expert", "solution", "rationale", "reasoning", "cot", "chain_of_thought", "explanation", "thought"),
        *("expert_solution", "response", "output", "completion", "analysis", "解析"),
    ),
    "id": ("id", "qid", "pid", "uid", "question_id", "problem_id", "sample_id", "record_id", "index", "idx"),
    "category": ("category", "subject", "topic", "type"),
}
"""What a column is for -> its usual names, the first that is there; capitals, blanks and hyphens do not matter."""

TOLD = ("solution", "response", "output", "completion")
"""Where there is no column for the answer: a worked solution, which states it."""

_INDEXED = {"label", "answer_index", "answer_idx"}
_SHORT = 100  # characters: a solution that is no more than the answer


def parse_columns(text: str) -> dict[str, str]:
    """What `--columns` says.

    Args:
        text: "question=q,answer=a".

    Returns:
        What a column is for -> its name.

    Raises:
        ValueError: It says something else, or one thing twice.

    >>> parse_columns("question=q, image=photo")
    {'question': 'q', 'pictures': 'photo'}
    """
    columns: dict[str, str] = {}
    for part in text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        known = role if role in USUAL else next((one for one in USUAL if role in USUAL[one]), "")
        if not equals or not name or not known or known in columns:
            raise ValueError(
                f"columns={text!r:.80}: expected {'=NAME,'.join(USUAL)}=NAME, each at most once, got {part!r:.40}"
                f"{did_you_mean(role, set(USUAL))}"
            )
        columns[known] = name
    return columns


def generic_schema(columns: Mapping[str, str]) -> Schema:
    """The layout for tables with these names of columns.

    Args:
        columns: What a column is for -> its name; the rest are found by their usual names.

    Returns:
        The schema.
    """

    def fits(found: set[str]) -> bool:
        """Whether a table has what a problem needs."""
        return not _missing(found, columns)

    def read(request: Request) -> Iterator[Row]:
        """The rows of the split's tables, each with its number."""
        if not any(fits(columns_of(table)) for table in tables_of(request.path)):
            raise ValueError(explain(request.path, columns))
        rows = table_rows(request.path, request.split, fits, first_split="train")
        for number, row in enumerate(rows, start=1):
            yield row if isinstance(row, ValueError) else {**row, ROW_NUMBER: number}

    return Schema(
        name="generic",
        source="generic",
        official=None,
        splits=("train", "val", "test", "testmini"),
        read=read,
        problem=lambda record, path: _problem(_Row(record, columns), path),
        recognise=lambda path: any(fits(columns_of(table)) for table in tables_of(path)),
    )


def explain(path: Path, columns: Mapping[str, str]) -> str:
    """Why a data set's columns do not do.

    Args:
        path: Its file or folder.
        columns: As in :func:`generic_schema`.

    Returns:
        The columns that were found and those that are wanted, or that there is no table.

    Raises:
        ValueError: A table cannot be read at all.
    """
    lines = []
    for table in tables_of(path)[:3]:
        check_readable(table)
        found = columns_of(table)
        wanted = [
            f"{role} ({columns[role]!r}{did_you_mean(columns[role], found)})"
            if role in columns
            else f"{role} (usual names: {', '.join(USUAL[role][:6])})"
            for role in _missing(found, columns)
        ]
        lines.append(f"{table} has the columns {names_of(found)}; wanted: {' and '.join(wanted)}")
    hint = "; say which it is with --columns question=NAME,answer=NAME,pictures=NAME (docs/your_data.md)"
    return ". ".join(lines) + hint if lines else f"no table (.jsonl, .json, .csv, .parquet, save_to_disk) in {path}"


def _missing(found: set[str], columns: Mapping[str, str]) -> list[str]:
    """What a table lacks: all that was named, an answer, and a question or pictures."""
    known = {_plain(name) for name in found}

    def has(role: str) -> bool:
        """Whether a column for this is there."""
        return columns[role] in found if role in columns else bool(known & set(USUAL[role]))

    lacking = [role for role in columns if not has(role)]
    told = has("answer") or known & {*TOLD, "conversations", "messages"} - set(columns.values())
    lacking += ["answer"] if not told and "answer" not in columns else []
    return lacking + (["question"] if not has("question") and not has("pictures") and "question" not in columns else [])


def _plain(name: object) -> str:
    return re.sub(r"[\s-]+", "_", str(name).strip().lower())


class _Row:
    """One record, asked for by what its columns are for."""

    def __init__(self, record: Record, columns: Mapping[str, str]) -> None:
        self.record, self.columns, self.number = record, columns, record.get(ROW_NUMBER, 0)
        taken = set(columns.values())
        self.plain = {_plain(name): name for name in record if name not in taken}

    def names(self, role: str) -> list[str]:
        """The columns for this that the record has, the likeliest first."""
        if role in self.columns:
            return [self.columns[role]] if self.columns[role] in self.record else []
        return [self.plain[name] for name in USUAL[role] if name in self.plain]

    def first(self, role: str) -> Cell:
        """The first column's cell that is not empty; None where there is none."""
        cells = (self.record[name] for name in self.names(role))
        return next((cell for cell in cells if not _is_empty(cell)), None)

    def told(self) -> str | None:
        """The column with a worked solution, where there is none for the answer."""
        return next((self.plain[name] for name in TOLD if name in self.plain), None)


def _is_empty(cell: Cell) -> bool:
    """Whether a cell holds nothing; pandas writes NaN for that."""
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or (hasattr(cell, "__len__") and not len(cell))
    )


def _problem(row: _Row, path: Path) -> Problem:
    name = as_text(row.first("id"), "the id")
    where = f"record {name!r}" if name else f"row {row.number}"
    chat = _chat(row, where)
    cells = [cell for cell in (row.first("pictures"), *chat.pictures) if cell is not None]
    images = tuple(picture for cell in cells for picture in pictures_of(cell, path, where))
    text = _without_marks(chat.question, len(images), where)
    choices = _choices(row, where) or ()
    answer, letter, told = _answer(row, chat, choices or listed_choices(text), where)
    choices = choices or (listed_choices(text) if letter else ())
    listed = listed_choices(text) or all(choice in text for choice in choices)
    category = row.first("category")
    return Problem(
        id=name or f"{row.number}-{fingerprint(f'{text} {answer}')[:6]}",  # experts stay with their question
        source="generic",
        question=text if listed else with_choices(text, choices),
        answer=answer,
        images=images,
        choices=choices,
        answer_letter=letter,
        solution=_expert(row, where) or told,
        category=category if isinstance(category, str) else None,
    )


def _without_marks(text: str, pictures: int, where: str) -> str:
    """The question without marks of pictures, each of which stands for one."""
    marks = IMAGE_MARK.findall(text)
    wanted = max(len(set(marks)), marks.count("<image>"))
    if wanted > pictures:
        raise ValueError(f"{where}: the question shows {wanted} pictures, but the record has {pictures}; add them")
    return IMAGE_MARK.sub("", text).strip()


def _chat(row: _Row, where: str) -> Chat:
    """The question, with what comes with it where the cell is a conversation."""
    names = row.names("question")
    cell: Cell = row.record[names[0]] if names else ""
    if is_chat(cell):
        return read_chat(cell, where)
    if not isinstance(cell, str | None):
        raise ValueError(f"{where}: the question must be text, got {shown(cell)}")
    return Chat(question=cell or "", pictures=(), reply=None)


def _choices(row: _Row, where: str) -> tuple[str, ...]:
    """The choices of their column, or of one column for each letter."""
    texts = choices_of(row.first("choices"), f"{where}: the choices")
    if texts or row.names("choices"):
        return texts
    for form in ("{}", "option_{}", "choice_{}"):
        columns = [next((name for name in row.record if str(name) == form.format(one)), None) for one in LETTERS]
        columns = (
            columns if columns[0] else [row.plain.get(form.format(one.lower())) for one in LETTERS if form != "{}"]
        )
        cells = [row.record[name] for name in columns if name is not None and not _is_empty(row.record[name])]
        if len(cells) > 1:
            return choices_of(cells, f"{where}: the choices")
    return ()


def _answer(row: _Row, chat: Chat, choices: Sequence[str], where: str) -> tuple[str, str | None, str | None]:
    """The answer, its letter, and the solution that told it."""
    names, what = row.names("answer"), f"{where}: the answer"
    cell = row.record[names[0]] if names else None
    if names and choices and _plain(names[0]) in _INDEXED and type(cell) is int:
        if not 0 <= cell < len(choices):
            raise ValueError(f"{what} is number {cell} of {len(choices)} choices; the first is number 0")
        return choices[cell], LETTERS[cell], None
    if isinstance(cell, Mapping):
        cell = cell.get("ground_truth")  # verl's reward_model
    text = as_text(None if _is_empty(cell) else cell, what)
    told = None
    if not names:
        told = _told(row, chat, where)
        text = told
    stated = stated_answer(text)
    if told is not None and stated is None and (len(told) > _SHORT or "\n" in told):
        raise ValueError(rf"{what} is not stated: end the solution in <answer>...</answer>, \boxed{{...}} or #### ...")
    thought = _thought(text, stated)
    return *_chosen(text if stated is None else stated, choices, what), thought


def _told(row: _Row, chat: Chat, where: str) -> str:
    name = row.told()
    text = chat.reply if name is None else _spoken(row.record[name], where)
    if not text:
        raise ValueError(f"{where} has no column for the answer; its columns are {names_of(row.record)}")
    return text.strip()


def stated_answer(text: str) -> str | None:
    r"""The final answer that a text marks as such.

    Args:
        text: An answer or a worked solution.

    Returns:
        What stands in <answer>...</answer>, in the last \boxed{...} or after "####"; None without such a mark.
    """
    tagged = extract_answer(text)
    if tagged is not None:
        return tagged
    if "\\boxed{" in text:
        return unboxed(text)
    return text.rpartition("####")[2].strip() if "####" in text else None


def _thought(text: str, stated: str | None) -> str | None:
    """A solution around the answer that it states; None where there is nothing but the answer."""
    if stated is None:
        return None
    if "<answer>" not in text and "\\boxed{" not in text:
        return text.rpartition("####")[0].strip() or None
    bare = re.sub(r"</?answer>|\\boxed|[\s{}$.]", "", text)
    return text if bare != re.sub(r"[\s{}$.]|\\boxed", "", stated) else None


def _chosen(text: str, choices: Sequence[str], what: str) -> tuple[str, str | None]:
    """The answer's text and letter, which must be one of the choices."""
    if not choices:
        return text, None
    as_letter = LETTERS.find(text.strip("() .:").upper()) if len(text.strip("() .:")) == 1 else -1
    same = [place for place, choice in enumerate(choices) if choice == text]
    if len(same) == 1 and 0 <= as_letter < len(choices) and as_letter != same[0]:
        raise ValueError(f"{what} {text!r} is a letter and the text of another choice: {shown(list(choices))}")
    if len(same) == 1:
        letter: str | None = LETTERS[same[0]]
    else:
        letter = LETTERS[as_letter] if as_letter >= 0 else chosen_letter(text, choices, equal_answers)
    if not letter or LETTERS.index(letter) >= len(choices):
        raise ValueError(f"{what} {shown(text)} is neither one of its {len(choices)} choices nor their letter")
    return choices[LETTERS.index(letter)], letter


def _expert(row: _Row, where: str) -> str | None:
    """The expert's text; a column that had to tell the answer is no second one."""
    used = None if row.names("answer") else row.told()
    names = [name for name in row.names("expert") if name != used]
    text = next((_spoken(row.record[name], where) for name in names if not _is_empty(row.record[name])), None)
    return text or None


def _spoken(cell: Cell, where: str) -> str:
    """A text, or an assistant's turn."""
    if is_chat(cell):
        cell = cell[-1].get("content", cell[-1].get("value"))
    if not isinstance(cell, str | list | tuple | None):
        raise ValueError(f"{where}: the solution must be text, got {shown(cell)}")
    return spoken(cell or "", where)
