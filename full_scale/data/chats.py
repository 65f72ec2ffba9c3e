"""A conversation as a question and its reply: LLaVA's, OpenAI's, verl's and TRL's ways of writing one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from full_scale.data.cells import shown
from full_scale.data.records import Cell

_USER, _ASSISTANT = {"user", "human"}, {"assistant", "gpt", "bot", "model"}
_PICTURES = ("image", "image_url")


@dataclass(frozen=True, kw_only=True)
class Chat:
    """One question and its reply.

    Args:
        question: What the user says, without pictures.
        pictures: Cells of the pictures that stand in the turn, in their order.
        reply: What the assistant answers; None where the conversation ends before.
    """

    question: str
    pictures: tuple[Cell, ...]
    reply: str | None


def is_chat(cell: Cell) -> bool:
    """Whether a cell holds a conversation: a list of turns, each with a speaker."""
    return (
        isinstance(cell, list | tuple)
        and len(cell) > 0
        and all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in cell)
    )


def read_chat(turns: Sequence[Mapping[str, Cell]], where: str) -> Chat:
    """The question and the reply of a conversation.

    Args:
        turns: {"role", "content"} or LLaVA's {"from", "value"}; a content is text or a list of typed parts.
        where: How errors call the record.

    Returns:
        The one turn of the user's, and the assistant's after it.

    Raises:
        ValueError: There is no question, or there are several.
    """
    users = [content for speaker, content in map(_turn, turns) if speaker in _USER]
    replies = [content for speaker, content in map(_turn, turns) if speaker in _ASSISTANT]
    if len(users) != 1 or len(replies) > 1:
        raise ValueError(
            f"{where}: the conversation has {len(users)} questions and {len(replies)} replies; "
            "write a record for each question"
        )
    pictures = tuple(
        part[kind] for part in _parts(users[0], where) for kind in _PICTURES if part.get(kind) not in (None, "")
    )
    return Chat(
        question=spoken(users[0], where), pictures=pictures, reply=spoken(replies[0], where) if replies else None
    )


def spoken(content: Cell, where: str) -> str:
    """The text of a turn.

    Args:
        content: Text, or a list of typed parts of which some are text.
        where: How errors call the record.

    Returns:
        The text.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in _parts(content, where) if part.get("type") in ("text", None))


def _turn(turn: Mapping[str, Cell]) -> tuple[str, Cell]:
    return str(turn.get("role", turn.get("from"))).lower(), turn.get("content", turn.get("value"))


def _parts(content: Cell, where: str) -> Sequence[Mapping[str, Cell]]:
    if isinstance(content, str):
        return ()
    if not isinstance(content, list | tuple) or not all(isinstance(part, Mapping) for part in content):
        raise ValueError(f"{where}: a turn must be text or a list of typed parts, got {shown(content)}")
    return content
