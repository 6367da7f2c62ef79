"""Disks as they may look after a power cut, made from a recorded trace.

Model: what was written before the last sync of a file is there. Of what was written to it after, any part
may be there, in any order, and one write may be torn at a sector. Names are outside of the model: a file
that was made is there, one that was removed is gone.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
HEAD = struct.Struct("=cHIQ")


class Op(NamedTuple):
    kind: str  # w(rite), a(ppend), s(ync), t(runcate), u(nlink)
    name: str
    offset: int
    data: bytes


def read_trace(path: Path) -> list[Op]:
    raw, at, ops = path.read_bytes(), 0, []
    while at < len(raw):
        kind, name_length, size, offset = HEAD.unpack_from(raw, at)
        at += HEAD.size
        name = raw[at : at + name_length].decode()
        at += name_length
        carried = size if kind in b"wa" else 0
        ops.append(Op(kind.decode(), name, offset, raw[at : at + carried]))
        at += carried
    return ops


@dataclass
class File:
    """One file: what is surely on the disk, and what was written since its last sync."""

    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[Op] = field(default_factory=list)

    def take(self, op: Op) -> None:
        if op.kind == "s":
            for write in self.unsynced:
                apply(self.durable, write)
            self.unsynced = []
        else:
            self.unsynced.append(op)

    def after_cut(self, dice: random.Random, *, chance: float, torn: bool) -> bytes:
        image = bytearray(self.durable)
        kept = [op for op in self.unsynced if dice.random() < chance]
        tear = dice.randrange(len(kept)) if kept and torn else -1
        for position, op in enumerate(kept):
            if position == tear and op.kind == "w" and len(op.data) > SECTOR:
                sectors = dice.randint(1, (len(op.data) - 1) // SECTOR)
                op = op._replace(data=op.data[: SECTOR * sectors])
            apply(image, op)
        return bytes(image)


def apply(image: bytearray, op: Op) -> None:
    if op.kind == "t":
        del image[op.offset :]
        image.extend(bytes(op.offset - len(image)))
    elif op.kind == "a":
        image.extend(op.data)
    else:
        image.extend(bytes(max(0, op.offset - len(image))))
        image[op.offset : op.offset + len(op.data)] = op.data


@dataclass
class Disk:
    """The files after one cut, and what the process had said by then."""

    files: dict[str, bytes]
    owed: set[str]  # said to be stored, not yet handed over

    def write(self, directory: Path) -> None:
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(content)


def cuts(ops: list[Op], *, points: int, seed: int) -> Iterator[Disk]:
    """Four disks at each of ``points`` places: no unsynced write, all of them, half, half with a torn one."""
    dice = random.Random(seed)
    first = next(i for i, op in enumerate(ops) if op.name == "told.log")
    places = sorted(dice.sample(range(first, len(ops)), min(points, len(ops) - first)))
    files: dict[str, File] = {}
    owed: set[str] = set()
    done = 0
    for place in places:
        for op in ops[done:place]:
            if op.name == "told.log":
                word, *ids = op.data.decode().split()
                owed = owed | set(ids) if word == "stored" else owed - set(ids)
            elif op.kind == "u":
                files.pop(op.name, None)
            elif op.kind != "s" or op.name in files:  # directories are only synced
                files.setdefault(op.name, File()).take(op)
        done = place
        for chance, torn in ((0.0, False), (1.0, False), (0.5, False), (0.5, True)):
            now = {name: file.after_cut(dice, chance=chance, torn=torn) for name, file in files.items()}
            yield Disk(now, set(owed))
