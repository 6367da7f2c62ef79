"""One middleware names the organization, under gunicorn and uvicorn: ``python -m examples.django``."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from examples.stage import Stage, difference, perform, show

HERE = Path(__file__).parent

SERVERS = {
    "gunicorn": ["gunicorn", "shop.wsgi:application", "--workers", "2", "--bind", "127.0.0.1:0"],
    "uvicorn": ["uvicorn", "shop.asgi:application", "--host", "127.0.0.1", "--port", "0"],
}


def play(stage: Stage) -> list[str]:
    environment = stage.settings(
        OTEL_SERVICE_NAME="shop",
        DJANGO_SETTINGS_MODULE="shop.settings",  # the instrumentation asks for it
        SHOP_DATABASE=str(stage.folder / "shop.db"),
        OTEL_EXPORTER_POSTHOG_LEDGER=str(stage.folder / "ledger.db"),
        OTEL_EXPORTER_POSTHOG_SIGTERM_FLUSH="true",
        OTEL_EXPORTER_POSTHOG_SPANS="GET *=-",
    )
    if stage.start("seed", ["python", "-m", "shop.seed"], environment, cwd=HERE).ended() != 0:
        return ["the database could not be made"]
    statuses = {name: serve(stage, name, environment) for name in SERVERS}
    stored = stage.stored()
    show(stored)
    found = {(name, who, groups): count for (name, who, groups), count in stored.counts().items()}
    return [
        *difference("exit statuses", statuses, {"gunicorn": 0, "uvicorn": 143}),
        *difference("events", found, expected()),
        *difference(
            "profiles",
            stored.profiles,
            {
                "organization org_acme": {"name": "Acme Inc.", "plan_name": "uvicorn"},
                "organization org_globex": {"name": "Globex", "plan_name": "free"},
            },
        ),
        *difference(
            "group updates", stored.updates, {"organization org_acme": 3, "organization org_globex": 1}
        ),
        *stored.complaints,
    ]


def serve(stage: Stage, name: str, environment: Mapping[str, str]) -> int:
    """The same requests under each server; the plan that Acme buys has the server's name."""
    already = len(stage.stored().events)
    with stage.start(name, ["opentelemetry-instrument", *SERVERS[name]], environment, cwd=HERE) as server:
        url = server.url()
        for path, token, status in [
            ("/orders", "ada", 201),
            ("/orders/1/share", "ada", 200),
            ("/orders", "hedy", 201),
            ("/orders", "mallory", 401),
        ]:
            check(f"{url}{path}", token, status)
        stage.stored_once(already + 6)  # three requests of members: a span and a log event each
        check(f"{url}/plan/{name}", "ada", 200)
        return server.terminate()


def check(url: str, token: str, status: int) -> None:
    request = urllib.request.Request(url, method="POST", headers={"Authorization": token})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        found = error.code
    if found != status:
        raise TimeoutError(f"{url} answered {found}, not {status}")


def expected() -> dict[tuple[str, str, str], int]:
    acme, globex = ("u_ada", "organization org_acme"), ("u_hedy", "organization org_globex")
    return {
        ("order placed", *acme): 2,
        ("order shared", *acme): 2,
        ("plan changed", *acme): 2,
        ("order placed", *globex): 2,
        ("POST orders", *acme): 2,
        ("POST orders/<int:number>/share", *acme): 2,
        ("POST plan/<str:plan>", *acme): 2,
        ("POST orders", *globex): 2,
    }


if __name__ == "__main__":
    sys.exit(perform(play, __doc__ or ""))
