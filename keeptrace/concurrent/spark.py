"""Spark: exceptions of Python UDFs and of RDD functions, with their frames, at the driver.

    from keeptrace.concurrent.spark import exception_of, keep_in_text

    @udf("int")
    @keep_in_text
    def price(order): ...

    try:
        orders.select(price("order")).collect()
    except PythonException as error:
        keeptrace.post_mortem(exception_of(error))

Spark sends the text of a Python worker's traceback through the JVM: concurrent/texts.py lets a dump
ride in the text. The workers need keeptrace; the driver's Spark needs no setting.
"""

from __future__ import annotations

from .texts import exception_of, keep_in_text

__all__ = ["exception_of", "keep_in_text"]
