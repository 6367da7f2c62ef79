"""A gigabyte of recorded telemetry goes through the command in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import BIN, environment
from tests.recordings import organization, span_line

MOST_BYTES = 128 * 1024 * 1024
"""The interpreter with the SDK takes about 40 MiB; a page of the spool and the cache of SQLite some more."""


def recording(path: Path, size_bytes: int) -> int:
    """Spans with ids of their own, until the file is large enough. How many those are."""
    line = span_line(0xABCDEF, organization(0, plan="team"), name="POST /orders/{id}" + "x" * 100)
    trace, span = f"{0xABCDEF + 1:032x}", f"{0xABCDEF + 1:016x}"
    head, _, rest = line.partition(trace)
    middle, _, tail = rest.partition(span)
    count = size_bytes // len(line) + 1
    with path.open("w") as stream:
        for number in range(1, count + 1):
            stream.write(f"{head}{number:032x}{middle}{number:016x}{tail}")
    return count


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_gigabyte_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """[P-REPLAY-2]"""
    size_bytes = int(os.environ.get("REPLAY_TEST_BYTES", str(1024**3)))
    file = tmp_path / "in.jsonl"
    count = recording(file, size_bytes)
    with (tmp_path / "report.json").open("w") as report_file:
        process = subprocess.Popen(
            [BIN / "otel-posthog", "replay", file, "--dry-run", "--json", "--state", tmp_path / "state"],
            env=environment({}),
            stdout=report_file,
        )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (process.returncode, report["pending"]) == (0, count)
    assert usage.ru_maxrss * 1024 < MOST_BYTES
    print(f"{size_bytes} bytes, {count} spans, {usage.ru_maxrss // 1024} MiB, {usage.ru_utime:.0f} s of CPU")
