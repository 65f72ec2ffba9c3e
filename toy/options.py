"""The toy's parser: flags from the settings dataclasses (``cli.flags``), and those that only a method knows."""

import re
from collections.abc import Iterable
from typing import Any

from cli import flags
from cli.names import meant


class Parser(flags.Parser):
    """A parser that leaves unknown flags over, since a method may know them.

    Args:
        **options: as ``cli.flags.Parser`` takes them.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # handed on
        super().__init__(lenient=True, **options)

    def check_flags(self, unknown: Iterable[str], *, more: Iterable[str] = ()) -> None:
        """Refuse arguments that ``parse_known_args`` has left over.

        Args:
            unknown: what is left.
            more: other flags that would have been right.

        Raises:
            ValueError: something is left.
        """
        for text in unknown:
            known = [*re.findall(r"--[\w-]+", self.format_usage()), *more]
            near = meant(text.partition("=")[0].lstrip("-"), [flag[2:] for flag in known])
            fix = f"did you mean --{near}?" if near else f"`{self.prog} --help` shows what it takes."
            raise ValueError(f"{text}: unknown to `{self.prog}`. Fix: {fix}")
