"""Tables of the zoo: packages, arguments that cannot be guessed, real failures, methods that must
work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# distribution → its modules
PACKAGES: dict[str, tuple[str, ...]] = {
    # databases
    "psycopg2-binary": ("psycopg2",), "psycopg": ("psycopg",), "asyncpg": ("asyncpg",), "pymysql": ("pymysql",),
    "mysql-connector-python": ("mysql",), "pymongo": ("pymongo", "bson"), "redis": ("redis",), "sqlalchemy": ("sqlalchemy",),
    "peewee": ("peewee", "playhouse"), "duckdb": ("duckdb",), "elasticsearch": ("elasticsearch", "elastic_transport"),
    "cassandra-driver": ("cassandra",), "h5py": ("h5py",),
    # HTTP and clients of services
    "requests": ("requests",), "httpx": ("httpx", "httpcore"), "aiohttp": ("aiohttp",), "urllib3": ("urllib3",),
    "websockets": ("websockets",), "paramiko": ("paramiko",), "grpcio": ("grpc",), "pika": ("pika",), "docker": ("docker",),
    "confluent-kafka": ("confluent_kafka",), "pyzmq": ("zmq",), "sentry-sdk": ("sentry_sdk",),
    # cloud
    "botocore": ("botocore",), "boto3": ("boto3",), "google-api-core": ("google.api_core",), "azure-core": ("azure.core",),
    "azure-storage-blob": ("azure.storage.blob",), "openai": ("openai",), "anthropic": ("anthropic",), "stripe": ("stripe",),
    "kubernetes": ("kubernetes",), "msal": ("msal",),
    # validation and serialisation
    "pydantic": ("pydantic", "pydantic_core"), "jsonschema": ("jsonschema",), "marshmallow": ("marshmallow",), "cerberus": ("cerberus",),
    "voluptuous": ("voluptuous",), "attrs": ("attr", "attrs"), "cattrs": ("cattrs",), "msgspec": ("msgspec",), "protobuf": ("google.protobuf",),
    "orjson": ("orjson",), "simplejson": ("simplejson",), "rpds-py": ("rpds",), "safetensors": ("safetensors",),
    # parsers
    "lxml": ("lxml",), "pyyaml": ("yaml",), "ruamel.yaml": ("ruamel.yaml",), "tomlkit": ("tomlkit",), "lark": ("lark",),
    "pyparsing": ("pyparsing",), "beautifulsoup4": ("bs4",), "jinja2": ("jinja2",), "python-dateutil": ("dateutil",),
    "openpyxl": ("openpyxl",),
    # numbers, data, ML
    "numpy": ("numpy",), "scipy": ("scipy",), "pandas": ("pandas",), "polars": ("polars",), "pyarrow": ("pyarrow",),
    "scikit-learn": ("sklearn",), "statsmodels": ("statsmodels",), "sympy": ("sympy",), "networkx": ("networkx",), "numba": ("numba",),
    "onnx": ("onnx",), "jax": ("jax",), "tokenizers": ("tokenizers",), "shapely": ("shapely",), "pillow": ("PIL",),
    # web and async
    "django": ("django",), "flask": ("flask",), "werkzeug": ("werkzeug",), "fastapi": ("fastapi",), "starlette": ("starlette",),
    "tornado": ("tornado",), "anyio": ("anyio",), "trio": ("trio",), "celery": ("celery", "kombu", "billiard"), "distributed": ("distributed",),
    # tools
    "click": ("click",), "typer": ("typer",), "cryptography": ("cryptography",), "pyjwt": ("jwt",), "tenacity": ("tenacity",),
    "zstandard": ("zstandard",), "joblib": ("joblib",), "pytest": ("_pytest", "pytest"),
}  # fmt: skip

# class → argument tuples to be tried first
ARGUMENTS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "botocore.exceptions.ClientError": (
        ({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject"),
    ),
}

# class → methods that must give the same
METHODS: dict[str, tuple[str, ...]] = {
    "pydantic_core._pydantic_core.ValidationError": ("errors", "error_count", "json"),
    "marshmallow.exceptions.ValidationError": ("normalized_messages",),
    "click.exceptions.ClickException": ("format_message",),
    "werkzeug.exceptions.HTTPException": ("get_description", "get_headers"),
}


# -- real failures


def model() -> None:
    import pydantic

    pydantic.create_model(
        "Item", quantity=(pydantic.PositiveInt, ...), name=(str, ...)
    ).model_validate({"quantity": -1})


def adapter() -> None:
    import pydantic

    pydantic.TypeAdapter(dict[str, int]).validate_json('{"a": "x", "b": 2')


def serialise() -> None:
    import pydantic

    pydantic.TypeAdapter(object).dump_json(len)


def xml() -> None:
    from lxml import etree

    etree.fromstring("<a><b></a>")


def xpath() -> None:
    from lxml import etree

    etree.fromstring("<a/>").xpath("//[")


def xml_schema() -> None:
    from lxml import etree

    etree.XMLSchema(etree.fromstring("<a/>"))


def xml_invalid() -> None:
    from lxml import etree

    etree.DTD(__import__("io").StringIO("<!ELEMENT a (b)>")).assertValid(etree.fromstring("<a/>"))


def postgres() -> None:
    import psycopg2

    psycopg2.connect(host="127.0.0.1", port=9, dbname="x", connect_timeout=1)


def postgres3() -> None:
    import psycopg

    psycopg.connect("host=127.0.0.1 port=9 dbname=x connect_timeout=1")


def grpc_call() -> None:
    import grpc

    with grpc.insecure_channel("127.0.0.1:9") as channel:
        channel.unary_unary("/a/b")(b"x", timeout=1)


def duck() -> None:
    import duckdb

    duckdb.sql("select * from missing")


def duck_cast() -> None:
    import duckdb

    duckdb.sql("select cast('x' as int)").fetchall()


def qhull() -> None:
    import numpy
    from scipy.spatial import ConvexHull

    ConvexHull(numpy.zeros((3, 2)))


def singular() -> None:
    import numpy

    numpy.linalg.inv(numpy.zeros((2, 2)))


def axis() -> None:
    import numpy

    numpy.zeros(3).sum(axis=5)


def no_memory() -> None:
    import numpy

    numpy.zeros((2**40, 9))


def no_ufunc() -> None:
    import numpy

    numpy.add("a", {})


def arrow() -> None:
    import pyarrow

    pyarrow.array([1, "x"], pyarrow.int64())


def arrow_key() -> None:
    import pyarrow

    pyarrow.table({"a": [1]}).column("b")


def frame_key() -> None:
    import pandas

    pandas.DataFrame({"a": [1]}).loc[5, "b"]


def frame_csv() -> None:
    import io

    import pandas

    pandas.read_csv(io.StringIO("a,b\n1,2,3\n1,2,3,4\n"))


def frame_date() -> None:
    import pandas

    pandas.Timestamp("1500-99-99")


def lazy_frame() -> None:
    import polars

    polars.DataFrame({"a": [1]}).select(polars.col("missing"))


def schema() -> None:
    import jsonschema

    jsonschema.validate(
        {"a": [1, "x"]}, {"type": "object", "properties": {"a": {"items": {"type": "integer"}}}}
    )


def bad_schema() -> None:
    import jsonschema

    jsonschema.validate({}, {"type": "nothing"})


def yaml_text() -> None:
    import yaml

    yaml.safe_load("a: [1, 2\nb: }")


def template() -> None:
    import jinja2

    jinja2.Environment().from_string("{% if %}")


def template_variable() -> None:
    import jinja2

    jinja2.Environment(undefined=jinja2.StrictUndefined).from_string("{{ a.b }}").render()


def grammar() -> None:
    import lark

    lark.Lark('start: "a"', parser="lalr").parse("b")


def grammar_end() -> None:
    import pyparsing

    pyparsing.Word(pyparsing.nums).parse_string("x", parse_all=True)


def statement() -> None:
    import sqlalchemy

    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.execute(sqlalchemy.text("select * from missing where id = :id"), {"id": 1})


def request() -> None:
    import requests

    requests.get("http://127.0.0.1:9/x", timeout=1)


def request_x() -> None:
    import httpx

    httpx.get("http://127.0.0.1:9/x", timeout=1)


def pool_url() -> None:
    import urllib3

    urllib3.PoolManager(retries=False).request("GET", "http://127.0.0.1:9/x", timeout=1)


def bucket() -> None:
    import boto3

    boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    ).list_objects_v2(Bucket="b", MaxKeys="x")


def image() -> None:
    import io

    from PIL import Image

    Image.open(io.BytesIO(b"no image"))


def packed() -> None:
    import msgspec

    msgspec.json.decode(b'{"a": "x"}', type=dict[str, int])


def message() -> None:
    from google.protobuf import struct_pb2

    struct_pb2.Struct.FromString(b"\xff\xff")


def message_json() -> None:
    from google.protobuf import json_format, struct_pb2

    json_format.Parse("{", struct_pb2.Struct())


def json_text() -> None:
    import orjson

    orjson.loads(b"{nope")


def json_value() -> None:
    import orjson

    orjson.dumps(object())


def key() -> None:
    from cryptography.fernet import Fernet

    Fernet(Fernet.generate_key()).decrypt(b"nothing")


def jwt_token() -> None:
    import jwt

    jwt.decode("a.b.c", "key", algorithms=["HS256"])


def retry() -> None:
    import tenacity

    def call() -> None:
        raise ValueError(3)

    tenacity.Retrying(stop=tenacity.stop_after_attempt(2))(call)


def frozen() -> None:
    import attrs

    attrs.frozen(type("Point", (), {"__annotations__": {"x": int}}))(1).x = 2


def structure() -> None:
    import attrs
    import cattrs

    cattrs.structure({"x": "no"}, attrs.define(type("Point", (), {"__annotations__": {"x": int}})))


def settings() -> None:
    from django.core.exceptions import ValidationError

    raise ValidationError(
        {"name": ["too long"], "age": [ValidationError("bad", code="bad", params={"n": 1})]}
    )


def unfinished() -> None:
    import zstandard

    zstandard.ZstdDecompressor().decompress(b"nothing")


def compiled() -> None:
    import numba

    numba.njit(lambda a: a + "x")(1)


def traced_value() -> None:
    import jax

    jax.jit(lambda a: 1 if a > 0 else 2)(1.0)


def fitted() -> None:
    from sklearn.linear_model import LinearRegression

    LinearRegression().predict([[1]])


def geometry() -> None:
    import shapely

    shapely.from_wkt("POLYGON ((0")


def no_file() -> None:
    import h5py

    h5py.File("/no/such/file", "r")


def tensors() -> None:
    import safetensors

    safetensors.deserialize(b"nothing")


def tokens() -> None:
    import tokenizers

    tokenizers.Tokenizer.from_str("{}")


def graph() -> None:
    import onnx

    onnx.checker.check_model(onnx.ModelProto())


def cycle() -> None:
    import networkx

    list(networkx.topological_sort(networkx.DiGraph([(1, 2), (2, 1)])))


def socket_closed() -> None:
    import zmq

    zmq.Context.instance().socket(zmq.REQ).bind("nothing")


def group() -> None:
    import trio

    async def fail() -> None:
        raise ValueError(3)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)

    trio.run(main)


def choice() -> None:
    import click

    click.Choice(["a"]).convert("b", click.Option(["--x"]), None)


# module → functions that fail as programs do
FAILURES: dict[str, tuple[Callable[[], object], ...]] = {
    "pydantic": (model, adapter, serialise), "lxml": (xml, xpath, xml_schema, xml_invalid), "psycopg2": (postgres,), "psycopg": (postgres3,),
    "grpc": (grpc_call,), "duckdb": (duck, duck_cast), "scipy": (qhull,), "numpy": (singular, axis, no_memory, no_ufunc),
    "pyarrow": (arrow, arrow_key), "pandas": (frame_key, frame_csv, frame_date), "polars": (lazy_frame,), "jsonschema": (schema, bad_schema),
    "yaml": (yaml_text,), "jinja2": (template, template_variable), "lark": (grammar,), "pyparsing": (grammar_end,), "sqlalchemy": (statement,),
    "requests": (request,), "httpx": (request_x,), "urllib3": (pool_url,), "boto3": (bucket,), "PIL": (image,), "msgspec": (packed,),
    "google.protobuf": (message, message_json), "orjson": (json_text, json_value), "cryptography": (key,), "jwt": (jwt_token,),
    "tenacity": (retry,), "attrs": (frozen,), "cattrs": (structure,), "django": (settings,), "zstandard": (unfinished,), "numba": (compiled,),
    "jax": (traced_value,), "sklearn": (fitted,), "shapely": (geometry,), "h5py": (no_file,), "safetensors": (tensors,),
    "tokenizers": (tokens,), "onnx": (graph,), "networkx": (cycle,), "zmq": (socket_closed,), "trio": (group,), "click": (choice,),
}  # fmt: skip


# -- the page

HEAD = """# Exceptions of popular packages

Every exception class that could be made in {packages} packages, {classes} exceptions in all, on Python {python}. Each was raised
in a worker of `KeepTraceProcessPoolExecutor`, of `KeepTracePool`, and of the stock `ProcessPoolExecutor` with `@keep_trace` and
without; and taken through `keeptrace.loads(keeptrace.dumps(exc))`.

A number counts those that arrived as themselves: caught by their own class, with the same text, arguments and attributes,
public and private, also those that C code keeps. Of a dump, which runs nothing of the packages, a class of the same name is
expected below the same builtin class, with the same text, arguments and attributes, as values or as stand-ins.

`python tests/zoo/zoo.py --write docs/exceptions.md` makes this page; `tests/zoo/requirements.txt` has the packages.
"""

LOST_HEAD = """## What does not arrive as itself

A class whose instances only its library can make, and whose own reduction fails or gives another text, arrives as a class of
the same name below the nearest builtin class, with its message. "Stock executor" says what arrives without keeptrace."""
