"""A Celery application whose every task works for one organization."""

from __future__ import annotations

import os

from celery import Celery
from opentelemetry._logs import get_logger

from opentelemetry.exporter.posthog import organization

events = get_logger("tasks")
app = Celery("tasks", broker=os.environ["TEST_BROKER"])
app.conf.broker_transport_options = {
    "data_folder_in": os.environ["TEST_BROKER_FOLDER"],
    "data_folder_out": os.environ["TEST_BROKER_FOLDER"],
    "control_folder": os.environ["TEST_BROKER_FOLDER"] + "-control",
}
app.conf.broker_connection_retry_on_startup = True


@app.task  # type: ignore[untyped-decorator]
def bill(org_id: str) -> None:
    with organization(org_id):
        events.emit(event_name="invoice.made")
    print(f"billed {os.getpid()}", flush=True)
