"""Ways of reasoning: where a response's first words tell which way it takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BEGIN = "<think>"
"""What stands in front of the first word, and so of the first decision."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The ways that responses to a world's problems can take, each called by the words that open its thought.

    A response that opens with none of them is not in the format that the world asks for: it is judged wrong, so that
    the opening binds what follows.

    Attributes:
        sound: Nearly always right.
        shortcut: Often right.
        others: All others.

    Raises:
        ValueError: Two ways have one name.
    """

    sound: str
    shortcut: str
    others: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"ways={self.names}: expected names that differ. Fix: rename one.")

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the sound way's first."""
        return (self.sound, self.shortcut, *self.others)

    def taken(self, response: str) -> str | None:
        """The way that a response takes.

        Args:
            response: Its whole text.

        Returns:
            Its name; None where the thought opens with no way's.

        Example:
            >>> ways = Ways(sound="look", shortcut="guess triangle")
            >>> ways.taken("<think>look circle: 360"), ways.taken("<think>guess circle: 360")
            ('look', None)
        """
        thought = response.strip().removeprefix(BEGIN).lstrip()
        opened = response.strip().startswith(BEGIN)
        return next((name for name in self.names if opened and re.match(rf"{re.escape(name)}\b", thought)), None)

    def shares(self, responses: Sequence[str]) -> dict[str, float]:
        """How often responses take each kind of way.

        Args:
            responses: Whole texts, at least one.

        Returns:
            ``sound_share``, ``shortcut_share`` and ``neither_share``, whose sum is 1.

        Example:
            >>> Ways(sound="look", shortcut="guess").shares(["<think>look a", "<think>guess a", "<think>look b", "x"])
            {'sound_share': 0.5, 'shortcut_share': 0.25, 'neither_share': 0.25}
        """
        taken = [self.taken(response) for response in responses]
        sound, shortcut = (taken.count(name) / len(taken) for name in (self.sound, self.shortcut))
        neither = (len(taken) - taken.count(self.sound) - taken.count(self.shortcut)) / len(taken)
        return {"sound_share": sound, "shortcut_share": shortcut, "neither_share": neither}
