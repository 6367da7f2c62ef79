"""What is said to the script in Redis and what it answers: a JSON text each way, lone surrogates included."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..model import Group
from .state import QUIET_HISTORY, Answer, Grant, GroupState, History, Property, Sent, Settlement, Standing
from .store import Seen, healing_of

if TYPE_CHECKING:
    from .store import Late, Sighting

_SEPARATOR: Final = "\x1f"

Said: TypeAlias = "str | int"
"""One element. No int is larger than a double of the script can hold."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode
"""Not ASCII: the script's decoder refuses the escape of a lone surrogate, and takes any bytes as they are."""

_STANDINGS: Final[Mapping[str, Standing]] = {standing.value: standing for standing in Standing}


def packed(said: Sequence[Said]) -> bytes:
    return _encode(said).encode("utf-8", "surrogatepass")


def unpacked(raw: bytes) -> Any:
    return json.loads(raw.decode("utf-8", "surrogatepass"))


def name_of(group: Group) -> str:
    return f"{group.type}\0{group.key}"


def id_of(group: Group) -> bytes:
    return name_of(group).encode("utf-8", "surrogatepass")


def group_of(name: str) -> Group:
    type_, _, key = name.partition("\0")
    return Group(type_, key)


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def observed(one: Sighting) -> list[Said]:
    said: list[Said] = [name_of(one.group), healing_of(one.group), len(one.entries)]
    for name, (stamp, value, service) in one.entries.items():
        said += (name, stamp, value, service.replace(_SEPARATOR, " "))
    return said


def noted(late: Late) -> list[Said]:
    said: list[Said] = [len(late.stamps)]
    for named in late.stamps.items():
        said += named
    return said


def ended(group: Group, end: Settlement) -> list[Said]:
    said: list[Said] = [
        name_of(group), end.token, end.ending.value, end.took, end.ghost, end.pause, end.backoff,
        len(end.stamps),
    ]  # fmt: skip
    for name, stamp in end.stamps.items():
        said += (name, stamp, end.had.get(name, "?"))
    return said


def seen_of(said: Sequence[Any]) -> Seen:
    name, flat, granted = said
    answers = {flat[i]: Answer(_STANDINGS[flat[i + 1]], flat[i + 2]) for i in range(0, len(flat), 3)}
    return Seen(group_of(name), answers, grant_of(granted) if granted else None)


def grant_of(said: Sequence[Any]) -> Grant:
    token, first, took, content = said
    return Grant(
        int(token),
        {name: Sent(stamp, value, had, history_of(parts)) for name, stamp, value, had, parts in content},
        first,
        took,
    )


def history_of(parts: Sequence[str]) -> History:
    service, other, turns, since, ignored = parts
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
                QUIET_HISTORY if history is None else history_of(history.split(_SEPARATOR)),
            )
    return GroupState(properties, *(int(fields[name]) for name in "tqrb"))
