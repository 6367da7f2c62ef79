"""Libraries that stand between a process and the kernel: one writes down, one makes calls fail."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent


@functools.cache
def compiled(name: str) -> str:
    """The path of a shim, for LD_PRELOAD. Skips, visibly, where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the system calls of the outbox can't be watched here")
    source = SOURCES / f"{name}.c"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"posthog-shim-{name}-{digest}.so"
    if not target.exists():
        fresh = target.with_suffix(f".{id(source)}.tmp")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-w", "-o", str(fresh), str(source), "-ldl", "-lpthread"],
            check=True,
        )
        fresh.replace(target)
    return str(target)
