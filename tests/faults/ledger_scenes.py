"""``python -m tests.faults.ledger_scenes DIRECTORY SCENE``: a ledger in trouble, met by a process of its own.

Says JSON. The inject shim fails calls on the ledger's file while ``DIRECTORY/on`` exists.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.faults.ledger_shop import Shop


def failing_calls(directory: Path) -> dict[str, Any]:
    """The disk fails in the middle of life, and is mended."""
    shop = Shop(str(directory / "state" / "ledger.db"))
    shop.says(plan="free")
    (directory / "on").touch()
    exports = [shop.says(plan="team"), *(shop.says("org_2", plan="pro", seats=i) for i in range(4))]
    meanwhile = len(shop.double.events)
    (directory / "on").unlink()
    return finished(shop, exports=exports, meanwhile=meanwhile)


def read_only(directory: Path) -> dict[str, Any]:
    """A directory that this user may read and not write."""
    place = directory / "state"
    place.mkdir(mode=0o755)
    directory.chmod(0o711)
    whole = Shop(str(directory / "own" / "ledger.db"))  # imports all: later Python may be closed to us
    finished(whole, exports=[whole.says(plan="team"), whole.says("org_2", plan="pro")])
    if os.getuid() == 0:
        os.setuid(65534)
    else:
        place.chmod(0o555)
    shop = Shop(str(place / "ledger.db"))
    return finished(shop, exports=[shop.says(plan="team"), shop.says("org_2", plan="pro", seats=3)])


def killed(directory: Path) -> dict[str, Any]:
    """The ledger's server is away, two organizations speak, and the process is killed."""
    shop = Shop(f"unix://{directory / 'nobody.sock'}", outbox=str(directory / "outbox"))
    shop.says(plan="team")
    shop.says("org_2", plan="pro")
    shop.says(plan="business")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def finished(shop: Shop, *, exports: list[Any], **more: Any) -> dict[str, Any]:
    shop.after_the_pause()
    shop.tend()
    shop.check_balance()
    result = {
        "kept": [export.kept for export in exports],
        "slowest": max(export.seconds for export in exports),
        "profiles": [dict(shop.profile(key)) for key in ("org_1", "org_2")],
        "identifies": len(shop.double.identifies),
        "said": shop.said,
        "notes": dict(shop.stats.notes),
        **more,
    }
    shop.pipeline.shutdown(5.0)
    return result


SCENES = {"failing calls": failing_calls, "read-only": read_only, "killed": killed}

if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[2]](Path(sys.argv[1]))))
