"""What arrives through a library that starts workers of its own: `others_program.main("submitit")`.

Prints, as JSON, whether the frames, the variables and the cause of a failing task arrived. Each
function below runs one task by one library, and gives the exception that its user gets.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from typing import Any

import keeptrace
from keeptrace.concurrent import keep_trace
from keeptrace.concurrent.texts import exception_of, keep_in_text


class OrderError(LookupError):
    pass


def fail(number: int) -> None:
    local = [number] * 2
    try:
        number / 0
    except ZeroDivisionError as problem:
        raise OrderError(number) from problem


def fail_after_init(number: int) -> None:
    keeptrace.init()
    fail(number)


@keep_trace
def traced(number: int) -> None:
    fail(number)


kept = keep_in_text(fail)


def of_submitit() -> Any:
    import submitit

    job = submitit.LocalExecutor(folder=tempfile.mkdtemp()).submit(kept, 3)
    return exception_of(job.exception())


def of_ipyparallel() -> Any:
    import ipyparallel

    os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
    with ipyparallel.Cluster(n=1, engines="local", log_level=logging.CRITICAL) as client:
        try:
            client[0].apply_async(kept, 3).get(timeout=60)
        except ipyparallel.RemoteError as error:
            return exception_of(error)


def _of_huey(function: Any, seen: list[Any]) -> Any:
    from huey import SqliteHuey

    made = SqliteHuey(filename=os.path.join(tempfile.mkdtemp(), "huey.db"), results=True)
    made.signal("error")(lambda signal, task, exc=None: seen.append(exc))
    result = made.task()(function)(3)
    made.execute(made.dequeue())
    return result


def of_huey() -> Any:
    from huey.exceptions import TaskException

    try:
        _of_huey(kept, []).get(blocking=True, timeout=20)
    except TaskException as error:
        return exception_of(error)


def of_huey_signal() -> Any:
    seen: list[Any] = []
    _of_huey(fail, seen)
    return keeptrace.loads(keeptrace.dumps(seen[0]))


def of_dramatiq() -> Any:
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    seen: list[Any] = []

    class Dumps(dramatiq.Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            seen.append(keeptrace.dumps(exception))

    broker = StubBroker()
    broker.add_middleware(Dumps())
    dramatiq.set_broker(broker)
    actor = dramatiq.actor(max_retries=0, broker=broker)(fail)
    actor.send(3)
    worker = dramatiq.Worker(broker, worker_timeout=50)
    worker.start()
    broker.join("default", fail_fast=False)
    worker.join()
    worker.stop()
    return keeptrace.loads(seen[0])


def of_parsl() -> Any:
    import parsl
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor

    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    executor = HighThroughputExecutor(
        label="one", max_workers_per_node=1, address="127.0.0.1", encrypted=False
    )
    config = Config(executors=[executor], run_dir=tempfile.mkdtemp(), usage_tracking=0)
    with parsl.load(config):
        return parsl.python_app(traced)(3).exception(timeout=60)


# Airflow reads this file in the process of the task.
_DAG = """
import datetime, keeptrace, others_program
from airflow.sdk import dag, task

def keep(context):
    keeptrace.dump(context["exception"], {dump!r})

@dag(schedule=None, start_date=datetime.datetime(2026, 1, 1))
def shop():
    task(others_program.fail, on_failure_callback=keep)(3)

shop()
"""


def of_airflow() -> Any:
    home = tempfile.mkdtemp()
    dump = os.path.join(home, "order.dump")
    os.mkdir(os.path.join(home, "dags"))
    with open(os.path.join(home, "dags", "shop.py"), "w", encoding="utf-8") as file:
        file.write(_DAG.format(dump=dump))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "API_AUTH__JWT_SECRET": "secret of a test " * 4,
    }
    settings = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    environment = {**os.environ, **settings, "AIRFLOW_HOME": home}

    def airflow(*arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "airflow", *arguments]
        with open(os.path.join(home, f"{arguments[0]}.log"), "wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    airflow("db", "migrate").wait()
    server = airflow("api-server", "--port", str(port), "--workers", "1", "--apps", "execution")
    try:
        while not _answers(f"http://127.0.0.1:{port}/execution/health"):
            if server.poll() is not None:
                raise AssertionError("Airflow's server has ended")
            time.sleep(0.2)
        airflow("dags", "test", "shop", "--use-executor").wait()
    finally:
        server.terminate()
        server.wait()
    return keeptrace.load(dump)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def of_apscheduler() -> Any:
    return _of_apscheduler(traced)


def of_apscheduler_init() -> Any:
    return _of_apscheduler(fail_after_init)


def _of_apscheduler(function: Any) -> Any:
    from apscheduler.events import EVENT_JOB_ERROR
    from apscheduler.executors.pool import ProcessPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(executors={"default": ProcessPoolExecutor(1)})
    seen: list[Any] = []
    told = threading.Event()

    def listen(event: Any) -> None:
        seen.append(event.exception)
        told.set()

    scheduler.add_listener(listen, EVENT_JOB_ERROR)
    scheduler.start()
    now = datetime.datetime.now(datetime.timezone.utc)
    scheduler.add_job(function, args=[3], next_run_time=now, misfire_grace_time=None)
    told.wait(60)
    scheduler.shutdown()
    return seen[0]


def of_spark() -> Any:
    from pyspark.errors import PythonException
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import udf

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    for name in ("host", "bindAddress"):
        builder = builder.config(f"spark.driver.{name}", "127.0.0.1")
    session = builder.getOrCreate()
    try:
        session.range(1).select(udf(lambda number: kept(3), "int")("id")).collect()
    except PythonException as error:
        return exception_of(error)
    finally:
        session.stop()


def outcome(exc: Any) -> dict[str, Any]:
    """Which parts of fail()'s exception are there."""
    frames = [frame for frame, _ in traceback.walk_tb(getattr(exc, "__traceback__", None))]
    cause = getattr(exc, "__cause__", None)
    last = frames[-1] if frames else None
    return {
        "type": type(exc).__name__,
        "frames": last is not None and last.f_code.co_name == "fail",
        "locals": last is not None and last.f_locals.get("local") == [3, 3],
        "chain": type(cause).__name__ == "ZeroDivisionError" and cause.__traceback__ is not None,
        "told": "" if last is None else str(last.f_locals.get("<locals>", "")),
    }


def main(name: str) -> None:
    logging.disable(logging.CRITICAL)
    print(json.dumps(outcome(globals()[f"of_{name}"]())), flush=True)
