"""Functions of the application that settings name: passed as such, or as ``package.module:function``.

A function given by its path is imported when it is first called, never while the exporter is made: under
zero-code set-up that is before the application's own path exists and before its libraries are instrumented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

from ..errors import HookError
from .parsing import collected, items, shape, text, unusable

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


class ImportedHook:
    """Stands for the function at ``path`` and calls it. Equal to another one of the same path.

    Calling raises :class:`HookError` while there is no such function. A module that can't be imported is
    not tried again; one that is still being imported is.
    """

    __slots__ = ("_failure", "_path", "_target")

    def __init__(self, path: str) -> None:
        self._path = path
        self._target: Callable[..., Any] | None = None
        self._failure = ""

    def __call__(self, *arguments: Any) -> Any:
        return self.load()(*arguments)

    def load(self) -> Callable[..., Any]:
        """The function itself, imported now if need be. Raises HookError, which says why not."""
        if self._target is not None:
            return self._target
        if self._failure:
            raise HookError(self._path, self._failure)
        module_name, _, names = self._path.partition(":")
        try:
            found: Any = import_module(module_name)
        except Exception as error:  # noqa: BLE001 - a module may fail with anything; it must not fail the application
            self._failure = f"its module failed to import with {type(error).__name__}"
            raise HookError(self._path, self._failure) from None
        for name in names.split("."):
            found = getattr(found, name, None)
        if not callable(found):
            raise HookError(self._path, "its module has no such function")
        self._target = cast("Callable[..., Any]", found)
        return self._target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImportedHook) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    def __repr__(self) -> str:
        return f"ImportedHook({self._path!r})"


def hook(value: object) -> Callable[..., Any]:
    """A callable, or the import path of one."""
    if callable(value):
        return cast("Callable[..., Any]", value)
    if isinstance(value, str) and _IMPORT_PATH.fullmatch(value.strip()):
        return ImportedHook(value.strip())
    raise unusable(f"{shape(value)} that is neither a function nor an import path")


class OptOutChoice(NamedTuple):
    """Who is silenced: by a function, by ids, or nobody."""

    function: Callable[..., Any] | None = None
    ids: frozenset[str] = frozenset()


def opt_out(value: object) -> OptOutChoice:
    """A function (or its import path), or a list of group keys and distinct ids.

    Text with one entry of the form ``module:function`` is an import path; an id that looks like one is
    written with a comma after it.
    """
    if callable(value) or (isinstance(value, str) and _IMPORT_PATH.fullmatch(value.strip())):
        return OptOutChoice(function=hook(value))
    return OptOutChoice(ids=frozenset(collected(items(value), text)))
