"""An app for test_celery.py, which starts its workers: celery -A celery_program worker. Where it
stores what, the environment says.
"""

from __future__ import annotations

import os
import signal
import time

import traced_tasks as tasks
from celery import Celery
from kombu import Queue

from keeptrace.concurrent.celery import KeepTraceTask, install

HOME = os.environ["CELERY_HOME"]
SERIALIZER = os.environ.get("CELERY_SERIALIZER", "json")
BROKER = os.environ["CELERY_BROKER"]
BACKEND = os.environ["CELERY_BACKEND"]


def make_app(**how):
    app = Celery("celery_program", broker=BROKER, backend=BACKEND, **how)
    app.conf.update(
        broker_transport_options={} if BROKER.startswith("redis") else {
            "data_folder_in": f"{HOME}/queue", "data_folder_out": f"{HOME}/queue", "control_folder": f"{HOME}/control",
            "processed_folder": f"{HOME}/processed",
        },
        task_serializer="json", result_serializer=SERIALIZER, accept_content=["json"], result_accept_content=[SERIALIZER],
        worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False,
        task_queues=[Queue("celery")], task_default_queue="celery", worker_send_task_events=False,
    )  # fmt: skip
    return app


app = install(make_app(), **eval(os.environ.get("CELERY_INSTALL", "{}")))


class Shortage(Exception):
    """Has a constructor that Celery, with JSON, cannot call."""

    def __init__(self, item, *, left):
        super().__init__(f"{left} of {item}")
        self.item = item
        self.left = left


class Known(ValueError):
    """Can be rebuilt from its arguments."""


class Item:
    def __init__(self, name):
        self.name = name


@app.task
def double(number):
    return number * 2


@app.task
def add(numbers):
    return sum(numbers)


@app.task
def chained(size):
    return tasks.chained(size)


@app.task
def fail_with(kind):
    tasks.fail_with(kind)


@app.task
def short(item):
    stock = {"bolt": 2}
    raise Shortage(item, left=stock[item])


@app.task
def known(value):
    exc = Known(value, {"deep": [1, 2]})
    exc.extra = [value]
    raise exc


@app.task
def about_item(name):
    raise Known(Item(name))


@app.task
def secret():
    password = "hunter2-hunter2"
    user = "somebody"
    raise ValueError("not let in")


@app.task
def large(size):
    texts = [f"{number:06} {os.urandom(2000).hex()}" for number in range(size)]
    raise ValueError(f"{len(texts)} texts")


@app.task(bind=True, max_retries=1)
def retried(self, path):
    attempt = self.request.retries
    try:
        open(path).close()
    except FileNotFoundError as problem:
        raise self.retry(exc=problem, countdown=0)


@app.task(autoretry_for=(ZeroDivisionError,), retry_kwargs={"max_retries": 1, "countdown": 0})
def retried_by_itself(number):
    limit = 0
    return number // limit


@app.task(bind=True, max_retries=1)
def waiting_to_be_retried(self, value):
    marker = ["waits", value]
    try:
        raise LookupError(value)
    except LookupError as problem:
        raise self.retry(exc=problem, countdown=300)


@app.task(acks_late=True)
def late(size):
    return tasks.chained(size)


@app.task(ignore_result=True)
def ignored(size):
    return tasks.chained(size)


@app.task(soft_time_limit=1)
def slow(name):
    began = ["began", name]
    time.sleep(30)


@app.task(time_limit=1)
def too_slow():
    time.sleep(30)


@app.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def noted_by_errback(request, exc, traceback):
    with open(f"{HOME}/errback-{request.id}", "w") as file:
        file.write(f"{type(exc).__name__} from {type(exc.__cause__).__name__}")


@app.task
def unserializable():
    return object()


based = make_app(task_cls=KeepTraceTask, set_as_current=False)


@based.task(name="celery_program.based_task")
def based_task(size):
    return tasks.chained(size)
