"""How Accord opens DuckDB: in UTC, offline, with the scanner extensions that came with the installation."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import secrets
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import duckdb

from accord.connectors import json_text
from accord.connectors.types import literal
from accord.model.errors import AccordError, MemoryShort, TerminalError
from accord.store.aside import aside, clear_dead

Scanner = Literal["sqlite", "postgres"]
_numbers = itertools.count(1)
_ROWS_PER_TASK = 30_720  # DuckDB divides work by groups of rows; with its own 122,880 most tables would keep one core busy
# Operators that cache put few rows together with others at each join: a copy of every value in them, of whole documents, too.
_SESSION = "SET TimeZone = 'UTC'; SET enable_caching_operators = false"
_engine_lock = threading.Lock()
# By process id, since a forked child must not use its parent's threads, and by number of threads.
_engine: dict[tuple[int, int], duckdb.DuckDBPyConnection] = {}
_lent: Counter[tuple[int, int]] = Counter()  # connections an engine gave since it was opened
_borrowed: Counter[tuple[int, int]] = Counter()  # and those of them that are not given back
# For each block of memory that a join or a sort took an engine keeps 200 bytes until tens of thousands are gone, of each size by itself:
# some 50 MB after the runs of an hour, and more for days. To open another costs 20 ms.
_MOST_LENT = 250


def open_duck(*, threads: int = 2, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB connection as all of Accord uses it.

    Time zone UTC, no extension fetched behind our back, and the function ``canonical_json(text)``, which gives equal texts for
    JSON documents of equal value (null for what is no JSON).

    Args:
        threads: most threads one query may use.
        memory_limit: such as ``"1GB"``; half of what the machine, or the container, has when absent. What tables take beyond that goes
            to the folder for temporary files; what one query needs at once does not, nor do values on their way to and from a system.
    """
    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false", "threads": threads}
    # What stands at two places is worked out before both, and so also before a TRY around it, where it fails for all rows.
    config["disabled_optimizers"] = "common_subexpressions"
    config["max_expression_depth"] = 20_000  # a comparison of all fields is as deep as there are fields, and tables have up to 4,096
    # It keeps every file it ever read until most of the machine's memory is full, so that a process grows with each run it makes; what is
    # read again is in the operating system's cache.
    config["enable_external_file_cache"] = "false"
    config["allow_unsigned_extensions"] = "true"  # until the scanners are loaded
    if folder := _private_folder():
        clear_dead(folder)  # DuckDB removes its own when it ends, and not when it is killed
        config["temp_directory"] = str(folder / f"{aside()}{secrets.token_hex(4)}")  # made once it is needed
    con = duckdb.connect(":memory:", config=config)
    _load_wheels(con)
    con.execute(f"SET memory_limit = {literal(memory_limit or _half(_limit(con)))}")
    con.execute(_SESSION)
    json_text.register(con)
    json_text.define(con)
    return con


@contextlib.contextmanager
def borrowed_duck(*, threads: int = 1) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to this process's DuckDB engine, with an empty in-memory database of its own that is gone afterwards.

    An engine costs 20 ms; a database inside a running engine costs 2 ms. Tables made here, temporary or not, are seen by no other
    borrower. Settings of the engine are shared, so a borrower changes none. After many borrowers, and once the last of them has given
    back, the next gets a new engine.

    One thread, because most queries here wait for one source: with two threads the one that waits for the other turns in a circle, which
    costs as much CPU as the work (half of a run over PostgreSQL) and made no run end sooner.

    Args:
        threads: most threads one query may use; borrowers of each number share an engine of their own.

    Raises:
        MemoryShort: what was done with the connection needs more memory than the engine may take.
    """
    key = os.getpid(), threads
    con = _cursor(key)
    name = f"borrowed_{next(_numbers)}"
    try:
        con.execute(_SESSION)
        json_text.define(con)
        con.execute(f"ATTACH ':memory:' AS {name} (ROW_GROUP_SIZE {_ROWS_PER_TASK})")
        con.execute(f"USE {name}")
        yield con
    except (AccordError, duckdb.OutOfMemoryException) as error:
        if short := memory_short(error):
            raise short from error
        raise
    finally:
        with contextlib.suppress(duckdb.Error):  # an engine that failed is replaced by the next borrower
            con.execute("USE memory")
            con.execute(f"DETACH {name}")
        con.close()
        with _engine_lock:
            _borrowed[key] -= 1


@contextlib.contextmanager
def exporting_duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine of its own, whose values leave it as Arrow in types that say what they are: UUIDs as 16 bytes and not as texts.

    The setting that does so is one of a whole engine, where it would turn the booleans of all borrowers' results into bytes.

    Raises:
        MemoryShort: as ``borrowed_duck``.
    """
    with open_duck(threads=1) as con:
        con.execute("SET arrow_lossless_conversion = true")
        try:
            yield con
        except (AccordError, duckdb.OutOfMemoryException) as error:
            if short := memory_short(error):
                raise short from error
            raise


def memory_short(error: BaseException) -> MemoryShort | None:
    """The error to raise in place of one that comes of too little memory, whatever was made of it on the way; ``None`` for any other."""
    met: BaseException | None = error
    seen: set[int] = set()
    while met is not None and not isinstance(met, duckdb.OutOfMemoryException | MemoryShort):
        seen.add(id(met))
        before = met.__cause__ or met.__context__
        met = None if id(before) in seen else before  # an error that is raised again may lead back to itself
    if met is None or (met is error and isinstance(met, MemoryShort)):
        return None
    if isinstance(met, MemoryShort):
        return met
    engine = next((e for (pid, _), e in _engine.items() if pid == os.getpid()), None)
    return MemoryShort(_limit(engine) if engine else "memory", str(met).splitlines()[0].rstrip("."))


def _limit(con: duckdb.DuckDBPyConnection) -> str:
    return str((con.execute("SELECT current_setting('memory_limit')").fetchone() or ("",))[0])


def _half(limit: str) -> str:
    """Of the memory there is, where a limit is DuckDB's own of four fifths."""
    number, unit = limit.split()
    return f"{float(number) / 0.8 / 2:.2f} {unit}"


def _private_folder() -> Path | None:
    """A folder of this user alone, since DuckDB lets everybody read what it puts aside; ``None`` where nothing can be put aside."""
    try:
        if not hasattr(os, "getuid"):
            return Path(tempfile.gettempdir())  # on Windows it is the user's own
        folder = Path(tempfile.gettempdir()) / f"accord-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        held = folder.lstat()
        own = stat.S_ISDIR(held.st_mode) and held.st_uid == os.getuid() and not held.st_mode & 0o077
        return folder if own else Path(tempfile.mkdtemp(prefix="accord-"))
    except OSError:  # a system of files that can only be read
        return None


def _cursor(key: tuple[int, int]) -> duckdb.DuckDBPyConnection:
    with _engine_lock:
        engine = _engine.get(key)
        if engine is not None and _lent[key] >= _MOST_LENT and not _borrowed[key]:
            engine.close()  # never two at once: both might open the same file of DuckDB
            engine = None
        if engine is not None:
            try:
                engine.execute("SELECT 1")
            except duckdb.Error:  # an internal error makes an engine unusable for good
                engine = None
        if engine is None:
            engine = _engine[key] = open_duck(threads=key[1])
            _lent[key] = 0
        con = engine.cursor()
        _lent[key] += 1
        _borrowed[key] += 1
        return con


def _load_wheels(con: duckdb.DuckDBPyConnection) -> None:
    """Load the scanners that are wheels of this installation; whatever is loaded later has to be signed.

    For a signature DuckDB reads the whole file in each process, which costs 110 to 160 ms; without, a scanner is loaded in 3. A wheel is
    trusted as all code that was installed with it, DuckDB's own among it, is.
    """
    for scanner in get_args(Scanner):
        if wheel := _wheel_path(f"{scanner}_scanner"):
            with contextlib.suppress(duckdb.Error):  # whoever asks for it is told
                con.execute(f"LOAD {literal(str(wheel))}")
    con.execute("SET allow_unsigned_extensions = false")


def load_scanner(con: duckdb.DuckDBPyConnection, scanner: Scanner) -> str:
    """Make the extension that reads SQLite or PostgreSQL usable in ``con`` and say where it came from.

    Tried in this order: the wheel beside this installation (offline), an extension installed for this DuckDB, DuckDB's own INSTALL.

    Returns:
        ``wheel``, ``installed`` or ``downloaded``.

    Raises:
        TerminalError: none of them worked; the message says what to install.
    """
    name = f"{scanner}_scanner"
    wheel = _wheel_path(name)  # loaded when the engine was opened, it is not looked at again
    tried = []
    for how, statements in (
        ("wheel", [f"LOAD {literal(str(wheel))}"] if wheel else []),
        ("installed", [f"LOAD {name}"]),
        ("downloaded", [f"INSTALL {name}", f"LOAD {name}"]),
    ):
        if not statements:
            tried.append(f"{how}: no wheel for DuckDB {duckdb.__version__}")
            continue
        try:
            for statement in statements:
                con.execute(statement)
        except duckdb.Error as error:
            tried.append(f"{how}: {str(error).splitlines()[0]}")
        else:
            return how
    raise TerminalError(
        f"DuckDB {duckdb.__version__} has no {name} here ({'; '.join(tried)}). "
        f"Install it with: pip install 'duckdb-extension-{scanner}-scanner=={duckdb.__version__}'"
    )


def _wheel_path(name: str) -> Path | None:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    return None
