"""SIGTERM that ends the interpreter in its orderly way, so that the providers' exit hooks run.

Python dies of SIGTERM on the spot, and so do servers that put the old handler back and raise the signal
again when they have stopped (uvicorn): what is queued, up to five seconds of spans, is lost at every stop of
a container. With this handler in place beforehand, the interpreter exits instead, and the SDK's own exit
hooks flush. Nothing is flushed inside the handler: it may interrupt any line, also one that holds a lock.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM
"""What a shell, a container and a supervisor see of a process that ended on SIGTERM: 143."""


def install() -> str | None:
    """Install the handler where nobody has one. What kept it from that, or None."""
    if threading.current_thread() is not threading.main_thread():
        return "signal handlers can only be installed on the main thread"
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return "this process has a SIGTERM handler already: flush there, or exit with sys.exit()"
    owner = os.getpid()

    def exit_orderly(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends at once
        if os.getpid() != owner:
            os.kill(os.getpid(), signal.SIGTERM)  # a forked child ends as it did before us
            return
        sys.exit(EXIT_CODE)

    signal.signal(signal.SIGTERM, exit_orderly)
    return None
