"""What goes wrong outside ends in a sentence with system and place, the right exit code, and nothing half-written."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


def assert_clear(result: CompletedProcess[str], code: int, *words: str) -> None:
    """The exit code, every word, and no traceback."""
    said = result.stdout + result.stderr
    assert result.returncode == code, said
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def test_a_map_that_is_not_there_is_a_usage_error(tmp_path: Path, run_process: Run) -> None:
    """The first mistake everybody makes."""
    assert_clear(run_process("run", tmp_path / "nothing"), 2, "nothing")


def test_an_unknown_option_is_a_usage_error_with_the_way_to_help(shop: Path, run_accord: Run) -> None:
    """A mistyped option must not run anything."""
    assert_clear(run_accord("run", shop, "--jsno"), 2, "--jsno", "--help")
    assert not (shop / ".accord").exists()


def test_a_misspelled_name_in_the_map_is_named_with_its_line_and_what_was_meant(shop: Path, run_accord: Run) -> None:
    """The map is written by people."""
    text = (shop / "shop.yaml").read_text().replace("email: mail,", "emial: mail,")
    (shop / "shop.yaml").write_text(text)
    line = next(i for i, t in enumerate(text.splitlines(), 1) if "emial" in t)

    result = run_accord("lint", shop, "--json")

    problems = json.loads(result.stdout)["problems"]
    assert result.returncode == 2
    assert [(p["line"], "emial" in p["message"], "email" in p["expected"]) for p in problems if "emial" in p["message"]] == [
        (line, True, True)
    ]


def test_a_system_that_is_away_is_named_and_the_others_go_on(shop: Path, run_accord: Run) -> None:
    """One team's outage must not stop the others, and must not look like success."""
    (shop / "systems" / "crm.db").rename(shop / "systems" / "crm.away")

    result = run_accord("assess", shop, "--json")

    body = json.loads(result.stdout)
    assert result.returncode == 3
    assert [f["subject"] for f in body["findings"] if f["kind"] == "unreachable"] == ["crm"]
    assert not (shop / "systems" / "crm.db").exists(), "reading must not make a database"


def test_a_system_that_comes_back_is_synchronized_by_the_next_run(shop: Path, run_accord: Run) -> None:
    """An outage ends; what was missed must arrive."""
    (shop / "systems" / "crm.db").rename(shop / "systems" / "crm.away")
    away = run_accord("run", shop, "--json")
    assert away.returncode == 3, away.stdout + away.stderr
    (shop / "systems" / "crm.away").rename(shop / "systems" / "crm.db")

    result = run_accord("run", shop, "--json")

    assert result.returncode in (0, 1), result.stdout + result.stderr
    assert len((shop / "systems" / "mail" / "people.jsonl").read_text().splitlines()) == 60


def test_a_file_that_is_no_database_is_refused_by_name(shop: Path, run_accord: Run) -> None:
    """A file in the wrong place must not be taken for an empty system."""
    (shop / "systems" / "crm.db").write_bytes(b"this is no database at all, whatever its name says" * 100)

    result = run_accord("sync", shop, "--json")

    assert_clear(result, result.returncode, "crm")
    assert result.returncode in (1, 3)


def test_a_ragged_line_of_csv_is_held_back_with_its_number(shop: Path, run_accord: Run) -> None:
    """A shifted column would overwrite good data everywhere; all other lines pass, and its own row is not taken for deleted."""
    assert run_accord("sync", shop).returncode == 0
    path = shop / "systems" / "desk" / "clients.csv"
    lines = path.read_text().splitlines()
    lines[10] += ",one,too,many"
    path.write_text("\n".join(lines) + "\n")

    result = run_accord("sync", shop, "--json")

    (customers,) = (f for f in json.loads(result.stdout)["flows"] if f["flow"] == "customers")
    assert (result.returncode, customers["waiting"], customers["counts"]["deleted"], customers["counts"]["updated"]) == (0, 1, 0, 0)
    assert_clear(run_accord("quarantine", "list", shop), 0, "line 11 is no row")


def test_a_csv_file_with_an_open_quote_is_refused_with_file_and_line(shop: Path, run_accord: Run) -> None:
    """Nobody can tell how many of the lines behind it the quote takes in."""
    path = shop / "systems" / "desk" / "clients.csv"
    lines = path.read_text().splitlines()
    lines[10] = lines[10].replace(",", ',"', 1)
    path.write_text("\n".join(lines) + "\n")

    assert_clear(run_accord("sync", shop), 1, "clients.csv:11", "quote")


def test_an_emptied_table_is_a_mass_delete_and_is_stopped(shop: Path, run_accord: Run) -> None:
    """An empty export is far more often a broken export than a lost company."""
    assert run_accord("sync", shop).returncode == 0
    with sqlite3.connect(shop / "systems" / "crm.db") as db:
        db.execute("DELETE FROM customers")
    db.close()

    result = run_accord("sync", shop, "--flow", "customers")

    assert_clear(result, 1, "customers", "delete")
    assert len((shop / "systems" / "mail" / "people.jsonl").read_text().splitlines()) == 60


def test_rows_that_break_the_contract_wait_in_quarantine_and_the_rest_goes_through(shop: Path, run_accord: Run) -> None:
    """One bad row must not stop a thousand good ones, nor be copied."""
    with sqlite3.connect(shop / "systems" / "crm.db") as db:
        db.execute("UPDATE customers SET email = 'not an address' WHERE id = 'C020'")
    db.close()

    result = run_accord("sync", shop, "--flow", "customers", "--json")

    flow = json.loads(result.stdout)["flows"][0]
    people = (shop / "systems" / "mail" / "people.jsonl").read_text()
    assert result.returncode == 0, result.stderr
    assert flow["counts"]["quarantined"] == 1
    assert "not an address" not in people
    assert len(people.splitlines()) >= 59


def test_ctrl_c_ends_with_a_word_and_the_next_run_goes_on(shop: Path, run_accord: Run) -> None:
    """People interrupt; nothing may be half-written by it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "accord", "run", str(shop)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (shop / ".accord" / "store.db").exists():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert "Traceback" not in out + err
    assert process.returncode == 1, out + err
    assert "interrupted" in err
    assert not list(shop.rglob(".writing-*"))
    assert run_accord("run", shop, "--json").returncode in (0, 1)


def rests_with_lease(store: Path, pid: int) -> bool:
    """Whether that process has the store, and is not just in the middle of a commit, where the database itself would refuse."""
    with contextlib.closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
            held = db.execute("SELECT pid FROM lease").fetchall()
            db.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return held == [(pid,)]


def test_two_runs_at_once_are_refused_with_the_holder(shop: Path, run_accord: Run) -> None:
    """Two writers would interleave; the second must know whom to wait for."""
    process = subprocess.Popen([sys.executable, "-m", "accord", "run", str(shop)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (shop / ".accord" / "store.db").exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGSTOP)
        while not rests_with_lease(shop / ".accord" / "store.db", process.pid):
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.01)
            assert process.poll() is None
            os.kill(process.pid, signal.SIGSTOP)
        result = run_accord("sync", shop, "--wait", "0")
        assert_clear(result, 3, str(process.pid))
    finally:
        process.kill()
        process.wait(timeout=120)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of two MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_nothing_is_half_written(shop: Path, small_disk: Path, run_accord: Run) -> None:
    """Disks fill up at night; in the morning the state must be one that existed."""
    (small_disk / "filler").write_bytes(b"x" * (2 * 2**20 - 300_000))

    result = run_accord("run", shop, "--workspace", small_disk)

    assert_clear(result, 1, "space")
    assert not list(small_disk.rglob(".writing-*"))
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run_accord("run", shop, "--workspace", small_disk, "--json").returncode in (0, 1)


def test_errors_come_as_json_when_json_is_asked_for(tmp_path: Path, run_accord: Run) -> None:
    """A program that calls Accord must not have to read prose."""
    result = run_accord("run", tmp_path / "nothing", "--json")

    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == result.returncode == 2
    assert error["message"]


def test_a_flow_that_is_refused_does_not_stop_the_flows_beside_it(shop: Path, run_accord: Run) -> None:
    """One team's broken file must not keep the others' data waiting; what the others did must be told."""
    path = shop / "systems" / "desk" / "clients.csv"
    path.write_text(path.read_text() + 'C999,"x@example.org,B,note\n')

    result = run_accord("sync", shop, "--json")

    body = json.loads(result.stdout)
    assert result.returncode == 1
    assert [f["flow"] for f in body["failed"]] == ["customers"]
    assert [f["flow"] for f in body["flows"]] == ["passages"]


def test_an_empty_file_of_json_lines_is_a_system_without_rows(shop: Path, run_accord: Run) -> None:
    """A new system starts empty; that is no reason to refuse it."""
    (shop / "systems" / "mail" / "people.jsonl").write_text("")

    result = run_accord("sync", shop, "--flow", "customers", "--json")

    assert result.returncode == 0, result.stdout + result.stderr
    assert len((shop / "systems" / "mail" / "people.jsonl").read_text().splitlines()) == 60


def test_a_misspelled_variable_is_refused_with_what_was_meant(shop: Path, run_accord: Run) -> None:
    """A value nobody reads would leave the default in force, unnoticed."""
    assert_clear(run_accord("lint", shop), 0)
    assert_clear(run_accord("status", shop, "--set", "systms=/elsewhere"), 2, "systms", "systems")


def test_rows_in_quarantine_do_not_spoil_the_proof_of_the_rest(shop: Path, run_accord: Run) -> None:
    """A row that waits for correction is told apart from a disagreement."""
    with sqlite3.connect(shop / "systems" / "crm.db") as db:
        db.execute("UPDATE customers SET email = 'not an address' WHERE id = 'C020'")
    db.close()
    run_accord("sync", shop)

    result = run_accord("reconcile", shop, "--json")

    body = json.loads(result.stdout)
    assert (result.returncode, body["agree"], body["quarantined"]) == (0, True, 1)
