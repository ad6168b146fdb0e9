"""Calls, maps and workspaces made to be wrong: a sentence and an exit code, nothing written elsewhere, nothing a terminal obeys."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from accord.cli.main import main
from accord.cli.output import escape, visible

Capture = pytest.CaptureFixture[str]

MAP = """
name: probe
systems:
  good: {{connector: sqlite, at: good.db, priority: 1}}
  bad: {{connector: csv, at: bad, priority: 2, resources: {{items: {{key: [id]{path}}}}}}}
entities:
  thing: {{key: [id], fields: {{id: {{type: text, required: true}}, name: text}}}}
flows:
  things:
    entity: thing
    authority: {{"*": good}}
    bindings:
      good: {{resource: items, fields: {{id: id, name: name}}}}
      bad: {{resource: {resource}, fields: {{id: id, name: name}}{extra}}}
"""


@pytest.fixture
def organization(tmp_path: Path) -> Callable[..., Path]:
    """A database and a folder of CSV; the binding of the folder is the test's."""

    def build(*, resource: str = "items", path: str = "", extra: str = "") -> Path:
        home = tmp_path / "home"
        (home / "bad").mkdir(parents=True)
        (home / "bad" / "items.csv").write_text("id,name\nK0,name 0\n")
        db = sqlite3.connect(home / "good.db")
        db.executescript("CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT); INSERT INTO items VALUES ('K0', 'name 0'), ('K1', 'n')")
        db.close()
        (home / "map.yaml").write_text(MAP.format(resource=json.dumps(resource), path=path, extra=extra))
        return home

    return build


def answer(capture: Capture, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and the error's message; standard output must be one JSON object."""
    code = main([*map(str, arguments), "--json"])
    body = json.loads(capture.readouterr().out)
    return code, str(body.get("error", {}).get("message", body))


@pytest.mark.parametrize("target", ["../out.csv", "../../out.csv", "{tmp}/out.csv", "../bad2/out.csv"])
@pytest.mark.parametrize("create", [False, True])
def test_a_resource_never_leads_out_of_its_systems_folder(
    target: str, create: bool, organization: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    """A map is text from somebody; it may name files of the system and no others, to make them least of all."""
    path = target.format(tmp=tmp_path)
    home = organization(path=f", path: {json.dumps(path)}", extra=", direction: write, create: true" if create else "")

    code, message = answer(capsys, "sync", home)

    assert code == 2, message
    assert "leads out of its folder" in message
    assert not list(tmp_path.rglob("out.csv"))


def test_a_map_with_a_control_character_is_refused_with_its_line(organization: Callable[..., Path], capsys: Capture) -> None:
    """NUL ends a name for the system below, and an escape code hides what a reviewer should read."""
    home = organization(resource="it\0ems\x1b[8m")

    code, message = answer(capsys, "lint", home)

    assert code == 2
    assert "control character" in message
    assert "'line': 14" in message


@pytest.mark.parametrize("what", ["cut", "overwritten", "gone"])
def test_a_lost_segment_is_named_with_the_way_out(what: str, organization: Callable[..., Path], capsys: Capture) -> None:
    """Somebody cleaned up .accord; going on from nothing would take every row for new."""
    home = organization()
    assert main(["sync", str(home)]) == 0
    capsys.readouterr()
    for segment in (home / ".accord" / "segments").rglob("*.parquet"):
        data = segment.read_bytes()
        segment.write_bytes({"cut": data[:-8], "overwritten": b"PAR1 garbage", "gone": b""}[what])
        if what == "gone":
            segment.unlink()

    code, message = answer(capsys, "sync", home)

    assert code == 1
    assert ".parquet: the segment is" in message
    assert "backup" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "{home}", "--workspace", "{home}/good.db"),
        ("sync", "{home}", "--workspace", "/proc/nowhere"),
        ("import-log", "{home}/bad/items.csv", "--workspace", "{home}/good.db"),
        ("demo", "marketing-operations", "--into", "{home}/good.db"),
        ("sync", "/" + "x" * 5000),
        ("sync", "{home}", "--store", "postgresql://u:hunter2secret@[::1/x"),
        ("sync", "{home}", "--set", "no equals sign"),
    ],
)
def test_a_place_that_cannot_be_is_a_sentence_and_no_defect(
    arguments: tuple[str, ...], organization: Callable[..., Path], capsys: Capture
) -> None:
    """The place is the caller's, so the message is for the caller."""
    home = organization()

    code, message = answer(capsys, *(a.format(home=home) for a in arguments))

    assert code in (1, 2)
    assert "a defect in Accord" not in message
    assert "hunter2secret" not in message


def test_what_a_terminal_obeys_is_shown_as_a_sign() -> None:
    """Data must not color, clear or rename the terminal of the person who looks at it."""
    hostile = "\x1b[2J\x1b]0;owned\x07 \x9b31m \ud800 [red]"

    assert visible(hostile).isprintable()
    assert escape(hostile).endswith("\\[red]")
    assert visible("two\nlines\tand – ü") == "two\nlines\tand – ü"


def test_an_error_on_a_terminal_holds_no_escape_code_of_the_data(organization: Callable[..., Path]) -> None:
    """On a pipe the codes are taken out anyway; on a terminal they would be obeyed."""
    home = organization()
    (home / "bad" / "items.csv").write_text("id\x1b[31m,name\nK0,a\n")
    ours, theirs = pty.openpty()

    process = subprocess.Popen([sys.executable, "-m", "accord", "sync", str(home)], stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        said += block
    os.close(ours)

    assert process.wait(timeout=60) == 2  # the map names a column that no run has ever seen there
    assert b"error:" in said
    assert b"\x1b[31m" not in said


def test_ctrl_c_while_everything_is_loaded_shows_no_trace_of_an_import() -> None:
    """People notice a mistyped command at once, and a page of imports looks like damage."""
    early = "import os, signal, accord.cli; os.kill(os.getpid(), signal.SIGINT); import accord.cli.main"
    late = "import signal, accord.cli.main; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"

    first = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, check=False)
    second = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True, check=False)

    assert (first.returncode, first.stderr) == (1, "error: interrupted before anything was begun.\n")
    assert second.returncode == 0, second.stderr


def test_sigterm_ends_a_run_like_ctrl_c(organization: Callable[..., Path]) -> None:
    """A service manager asks politely first; the lease is let go and the word how to go on is said."""
    home = organization()
    command = [sys.executable, "-m", "accord", "run", str(home)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (home / ".accord" / "store.db").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)

    assert process.returncode in (0, 1), said
    assert process.returncode == 0 or "interrupted" in said
    assert "Traceback" not in said


def test_ctrl_c_in_the_middle_of_a_query_is_no_defect() -> None:
    """DuckDB ends its query with an error of its own then, which was told as ours, with a trace to report."""
    program = """
import duckdb, os, signal, threading
import accord.cli.main as main
def long(asked):
    def run(*given, **options):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        duckdb.sql("SELECT sum(hash(range)) FROM range(1000000000000)").fetchall()
    return run
main.command_line = long
raise SystemExit(main.main(["sync"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr.split(";")[0]) == (1, "error: interrupted")
