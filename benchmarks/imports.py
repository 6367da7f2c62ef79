"""What it costs to have an exporter in an application: importing and making it, before the first batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .paired import Spread, spread_of
from .table import Bench, Row

BARE = "bare interpreter"
OURS = "ours, spans and logs"
OTLP = "OTLP proto http, spans and logs"
POSTHOG = "posthog"

PROGRAMS = {
    BARE: "",
    "OpenTelemetry SDK": "import opentelemetry.sdk.trace.export, opentelemetry.sdk._logs.export",
    OURS: (
        "from opentelemetry.exporter.posthog import PostHogSpanExporter, PostHogLogExporter\n"
        "PostHogSpanExporter(api_key='phc_x'), PostHogLogExporter(api_key='phc_x')"
    ),
    OTLP: (
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter\n"
        "OTLPSpanExporter(), OTLPLogExporter()"
    ),
    POSTHOG: "from posthog import Posthog\nPosthog('phc_x', host='http://127.0.0.1:1', sync_mode=True)",
    "segment": "import segment.analytics",
}

_SAY = """
import json, resource, time
cpu = time.process_time()
with open("/proc/self/statm") as memory:
    pages = int(memory.read().split()[1])
print(json.dumps([cpu, pages * resource.getpagesize()]))
import os, sys
sys.stdout.flush()
os._exit(0)
"""


def rows(bench: Bench) -> list[Row]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as compiled:
        for number in range(bench.rounds + 1):
            for name, program in PROGRAMS.items():
                cost = _run(program, Path(compiled))
                if number:  # the first round pays for compiling
                    found[name].append(cost)

    def over_bare(name: str, part: int) -> list[float]:
        return [one[part] - bare[part] for one, bare in zip(found[name], found[BARE], strict=True)]

    def ratio(name: str, other: str) -> Spread:
        pairs = zip(over_bare(name, 0), over_bare(other, 0), strict=True)
        return spread_of([mine / theirs for mine, theirs in pairs])

    def told(name: str) -> str:
        milliseconds = spread_of(over_bare(name, 0)).median * 1e3
        mebibytes = spread_of(over_bare(name, 1)).median / 2**20
        return f"import, {name}: {milliseconds:.0f} ms, {mebibytes:.0f} MiB over bare"

    return [
        Row(name=told(OURS), found=ratio(OURS, OTLP), unit="x OTLP", must=1.10, aim=0.75),
        Row(name=told(OURS), found=ratio(OURS, POSTHOG), unit="x posthog", must=0.60),
        *(
            Row(name=told(name), found=ratio(name, OTLP), unit="x OTLP")
            for name in PROGRAMS
            if name not in (BARE, OURS)
        ),
    ]


def _run(program: str, compiled: Path) -> tuple[float, float]:
    """All of it compiled, as installing leaves it. Else an environment that forbids to write bytecode makes
    those that run from a checkout, ours alone, compile each module each time: half again of our price.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program + _SAY],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        env={**environment, "PYTHONPYCACHEPREFIX": str(compiled)},
    )
    cpu, size = json.loads(done.stdout)
    return cpu, size
