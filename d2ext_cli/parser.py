"""Parsers whose errors are one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

LONGEST = 280  # characters of an error
Check = Callable[[argparse.Namespace], None]


class CommandParser(argparse.ArgumentParser):
    """A parser whose help shows the description as it is written, and whose errors are one line.

    Args:
        description: text of the help, such as the docstring of the command.
        settings: of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, description: str | None = None, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(description=description, **settings)
        self._checks: list[Check] = []

    def add_check(self, check: Check) -> None:
        """Call ``check(args)`` with parsed arguments; a ValueError that it raises is an argument error."""
        self._checks.append(check)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it, with the checks; ``parse_args`` and subcommands come through here."""
        parsed, rest = super().parse_known_args(args, namespace)
        try:
            for check in () if rest else self._checks:  # what is left over is the error to report
                check(parsed)
        except ValueError as e:
            self.error(str(e))
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """End with status 2 and one line."""
        line = " ".join(message.split())
        self.exit(2, f"error: {line[:LONGEST]}{'...' * (len(line) > LONGEST)}\n")
