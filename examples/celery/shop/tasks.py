"""What happens after the answer: the invoice is made, then sent, in worker processes."""

from __future__ import annotations

import os

from celery import Celery
from opentelemetry._logs import get_logger

from .tenancy import TenantTask

app = Celery("shop", broker=os.environ["BROKER_URL"], task_cls=TenantTask)
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_max_tasks_per_child = 2  # children come and go; what they queued must not go with them
events = get_logger("shop")


@app.task(name="make invoice")
def make_invoice(order: int, amount: int) -> None:
    events.emit(event_name="invoice made", attributes={"order.number": order, "amount": amount})
    send_invoice.delay(order)  # a task sends a task: still for the same organization


@app.task(name="send invoice")
def send_invoice(order: int) -> None:
    events.emit(event_name="invoice sent", attributes={"order.number": order})


@app.task(name="clean up")
def clean_up() -> None:
    """Nobody's task: sent by a timer, for no organization."""
