"""Arguments for the script in Redis, and what its answers say. Texts travel as UTF-8, lone surrogates too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ..model import Group
from .state import QUIET_HISTORY, Answer, Grant, GroupState, History, Property, Sent, Settlement, Standing
from .store import Seen, healing_of

if TYPE_CHECKING:
    from .store import Late, Sighting

_SEPARATOR: Final = "\x1f"


def id_of(group: Group) -> bytes:
    return f"{group.type}\0{group.key}".encode("utf-8", "surrogatepass")


def group_of(id_: bytes) -> Group:
    type_, _, key = text(id_).partition("\0")
    return Group(type_, key)


def flag(value: object) -> str:
    return "1" if value else "0"


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def raw_of(text: str) -> Any:
    return text.encode("utf-8", "surrogatepass")


def observed(one: Sighting) -> list[str | int]:
    arguments: list[Any] = [id_of(one.group), healing_of(one.group), len(one.entries)]
    for name, entry in one.entries.items():
        service = entry.service.replace(_SEPARATOR, " ")
        arguments += [raw_of(name), entry.stamp, entry.value, raw_of(service)]
    return arguments


def noted(late: Late) -> list[str | int]:
    arguments: list[Any] = [len(late.stamps)]
    for name, stamp in late.stamps.items():
        arguments += [raw_of(name), stamp]
    return arguments


def ended(group: Group, end: Settlement) -> list[str | int]:
    arguments: list[Any] = [
        id_of(group), end.token, end.ending.value, flag(end.took), end.ghost, end.pause, end.backoff,
        len(end.stamps),
    ]  # fmt: skip
    for name, stamp in end.stamps.items():
        arguments += [raw_of(name), stamp, end.had.get(name, "?")]
    return arguments


def seen_of(raw: Sequence[Any]) -> Seen:
    id_, flat, granted = raw
    answers = {
        text(flat[i]): Answer(Standing(flat[i + 1].decode()), flat[i + 2].decode())
        for i in range(0, len(flat), 3)
    }
    return Seen(group_of(id_), answers, grant_of(granted) if granted else None)


def grant_of(raw: Sequence[Any]) -> Grant:
    token, first, took, content = raw
    return Grant(
        int(token),
        {
            text(name): Sent(
                stamp.decode(), value[0].decode() if value else None, had.decode(), history_of(parts)
            )
            for name, stamp, value, had, parts in content
        },
        first == b"1",
        took == b"1",
    )


def history_of(parts: Sequence[bytes]) -> History:
    service, other, turns, since, ignored = map(text, parts)
    return History(service, other, int(turns), int(since), ignored)


def state_of(fields: dict[str, str]) -> GroupState:
    properties: dict[str, Property] = {}
    for field, stamp in fields.items():
        if field.startswith("w:"):
            name = field[2:]
            have, settled, refused = fields[f"h:{name}"].split(",")
            history = fields.get(f"x:{name}")
            properties[name] = Property(
                stamp,
                fields.get(f"v:{name}"),
                have,
                refused == "1",
                int(settled),
                QUIET_HISTORY
                if history is None
                else history_of([raw_of(p) for p in history.split(_SEPARATOR)]),
            )
    return GroupState(properties, *(int(fields[name]) for name in "tqrb"))
