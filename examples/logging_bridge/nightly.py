"""A nightly job that knows nothing but ``logging``, until one line says for whom it works."""

from __future__ import annotations

import logging

from opentelemetry.exporter.posthog import organization

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
log = logging.getLogger("nightly")

USAGE = {"org_acme": (1200, 1000), "org_globex": (80, 1000)}
"""Organization to requests made and requests that its plan includes."""


def main() -> None:
    log.info("nightly job starts")  # a plain line: no event
    for org_id, (used, included) in USAGE.items():
        with organization(org_id, requests_included=included):
            report(used, included)
    log.info("nightly job is done")


def report(used: int, included: int) -> None:
    log.info(
        "usage report made",
        extra={
            "otel.event.name": "usage reported",
            "usage.requests": used,
            "usage.billable": used > included,
        },
    )
    if used > included:
        log.warning(
            "over the plan by %d",
            used - included,
            extra={"otel.event.name": "plan exceeded", "usage.over": used - included},
        )
    try:
        raise TimeoutError("the mail server at 10.0.0.7 does not answer")
    except TimeoutError:
        log.exception("mail not sent", extra={"otel.event.name": "mail failed"})


if __name__ == "__main__":
    main()
