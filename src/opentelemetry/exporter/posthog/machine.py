"""What the machine says of itself: which boot this is, and on what kind of file system a path lies."""

from __future__ import annotations

import os
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs",
        "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gcsfuse", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
        "nfs4", "ocfs2", "orangefs", "smb3", "smbfs",
    }
)  # fmt: skip
"""Here neither ``flock`` nor SQLite's shared memory can be trusted between machines (sqlite.org/wal.html)."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_OFFSETS = Path("/proc/self/timens_offsets")
_MOUNTS = Path("/proc/self/mountinfo")


def boot_id() -> str | None:
    """A word that two processes share exactly when their monotonic clocks may be compared; None: unknown.

    Linux counts the monotonic clock from boot, the same for all processes, except inside a time namespace
    with an offset: that offset becomes part of the word.
    """
    try:
        boot = _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    try:
        offsets = _TIME_OFFSETS.read_text("ascii").split()
    except (OSError, ValueError):
        return boot
    shift = offsets[1:3] if offsets[:1] == ["monotonic"] else []
    return boot if not shift or shift == ["0", "0"] else f"{boot}+{'.'.join(shift)}"


def network_file_system(directory: Path) -> str | None:
    """The type of the network file system that ``directory`` lies on; None for a local or unknown one."""
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    kind = file_system_of(os.path.realpath(directory), mounts)
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def file_system_of(path: str, mountinfo: str) -> str | None:
    """The file system type of an absolute, resolved ``path`` in the text of ``/proc/self/mountinfo``."""
    best, best_length = None, -1
    for line in mountinfo.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not rest:
            continue
        point = _unescaped(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best_length:  # a later mount on the same point hides the earlier one
            best, best_length = rest.split(" ", 1)[0], len(point)
    return best


def _unescaped(point: str) -> str:
    """The kernel writes blanks and backslashes of a mount point as three octal digits."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, char)
    return point
