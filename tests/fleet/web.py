"""The fleet's web service, for gunicorn with ``--preload``: it is told what to say by the requests it serves.

The exporter is made before the fork, and has exported by then: the preloading process says its own share of
the script, so workers inherit a pipeline that is in use.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from tests.fleet.script import MASTER
from tests.fleet.voice import Orders, Voice

atexit.register(lambda: voice.sum_up())  # hooks run backwards: after those of the providers
voice = Voice(Orders.given())
for told in voice.signals:
    if told.process == MASTER:
        voice.wait_for(told)
        voice.say(told)
voice.flush()


def app(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    """``POST /say`` with numbers of signals, ``POST /flush``. Answers with its process id."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    done = True
    if environ["PATH_INFO"] == "/flush":
        done = voice.flush()
    else:
        for n in json.loads(body):
            voice.say(voice.signals[n])
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "done": done}).encode()]
