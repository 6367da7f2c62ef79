"""The exit codes of all commands; ``docs/reference/cli.md`` lists them."""

from __future__ import annotations

from typing import Final

OK: Final = 0
PROBLEMS: Final = 1  # the command did its work and found something wrong, or could not finish it
USAGE: Final = 2  # it was asked for something that can't be done: options, files, settings
INTERRUPTED: Final = 130  # Ctrl-C, as a shell reports it
