"""One process keeps the flows, tells how they stand, and ends as a service should."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, error_message_run, schema_dataset

from accord.cli.flows import about

ADD = "INSERT INTO things VALUES (?, ?, ?)"
DEFECT = """
import os
from accord.connectors.sqlite import SqliteConnector
as_made = SqliteConnector.scan
def scan(self, con, resource):
    if resource == "things" and os.path.exists(os.environ["BROKEN"]):
        raise KeyError("nobody thought of this")
    return as_made(self, con, resource)
SqliteConnector.scan = scan
"""


def test_changes_reach_the_other_system_without_a_further_call_and_are_counted(place: Any) -> None:
    """That is what continuous means: both ways, deletes as well; and the figures people set alarms on are the ones of the work."""
    place.sql("a", ADD, "1", "one", 1)
    place.sql("a", ADD, "3", "three", -3)
    watcher = place.start("--metrics-port", "0")
    port = watcher.until("watching")["port"]
    watcher.until("run", status="done")
    place.sql("b", "UPDATE things SET name = 'uno'")
    place.sql("b", ADD, "2", "two", 2)
    place.wait(lambda: place.sql("a", "SELECT id, name FROM things ORDER BY id") == [("1", "uno"), ("2", "two"), ("3", "three")])
    place.sql("a", "DELETE FROM things WHERE id = '2'")
    place.sql("a", ADD, "4", "four", 4)
    place.wait(lambda: place.sql("b", "SELECT id FROM things ORDER BY id") == [("1",), ("4",)])
    place.wait(lambda: applied(port, "deleted") == 1)

    code, text = get(port, "/metrics")

    assert code == 200
    figures = {k: float(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")}
    assert figures['accord_changes_applied_total{flow="things",operation="inserted"}'] == 3
    assert figures['accord_changes_applied_total{flow="things",operation="updated"}'] == 1
    assert figures['accord_changes_applied_total{flow="things",operation="deleted"}'] == 1
    assert figures['accord_quarantine_waiting{flow="things"}'] == 1
    assert figures["accord_lease_held"] == 1
    assert figures['accord_stage_seconds_count{flow="things",stage="apply"}'] >= 2
    assert watcher.end() == 0


def test_one_watch_has_the_store_until_a_service_manager_ends_it(place: Any) -> None:
    """Two writers would break the order of the log; and a clean end is code 0, or each restart of the machine looks like a failure."""
    first = place.start()
    first.until("watching")

    second = place.accord("sync", "--watch")

    assert second.returncode == 3
    assert f"process {first.process.pid}" in second.stderr
    assert first.end(signal.SIGINT) == 0


def test_other_commands_work_beside_a_watch_which_goes_on_afterwards(place: Any) -> None:
    """Proofs, plans and what people decide are for every day: nobody should have to stop the service for them."""
    place.sql("a", ADD, "1", "one", 1)
    watcher = place.start("--metrics-port", "0")
    port = watcher.until("watching")["port"]
    watcher.until("run", status="done")

    proof = place.accord("reconcile")
    place.wait(lambda: "accord_lease_held 1.0" in get(port, "/metrics")[1])
    refused = place.accord("reconcile", "--wait", "0")
    place.sql("b", "UPDATE things SET name = 'uno'")

    assert proof.returncode == 0, proof.stderr
    assert "waiting up to 30 s" in proof.stderr
    assert refused.returncode == 3
    assert watcher.until("making_room")["asking"].startswith("'accord' (process")
    place.wait(lambda: place.sql("a", "SELECT name FROM things") == [("uno",)])
    assert watcher.end() == 0


def add_others(place: Any) -> None:
    """A second flow like the first, over tables of its own."""
    text = (place.folder / "map.yaml").read_text()
    other = text[text.index("  things:\n    entity") :].replace("  things:\n", "  others:\n", 1)
    (place.folder / "map.yaml").write_text(text + other.replace("resource: things", "resource: others"))
    for system in "ab":
        place.sql(system, "CREATE TABLE others (id TEXT PRIMARY KEY, name TEXT, size INTEGER)")


def test_a_flow_that_waits_for_people_is_parked_and_the_others_go_on(place: Any) -> None:
    """A lost column must not be hammered, and must not hold up what has nothing to do with it. The catalog hears of it too."""
    add_others(place)
    place.sql("a", ADD, "1", "one", 1)
    watcher = place.start("--metrics-port", "0", "--lineage", "lineage.jsonl")
    port = watcher.until("watching")["port"]
    watcher.until("run", flow="things")

    place.sql("a", "ALTER TABLE things DROP COLUMN size")
    watcher.until("state", flow="things", state="parked")
    place.sql("a", "INSERT INTO others VALUES ('9', 'nine', 9)")
    place.wait(lambda: place.sql("b", "SELECT count(*) FROM others") == [(1,)])

    status = json.loads(place.accord("status", "--json").stdout)["flows"]
    flow = next(f for f in status if f["flow"] == "things")
    assert flow["state"] == "parked"
    assert "size" in flow["reason"]
    code, health = get(port, "/health")
    assert code == 503
    assert json.loads(health)["flows"]["things"]["state"] == "parked"
    assert watcher.end() == 0
    lines = (place.folder / "lineage.jsonl").read_text().splitlines()
    check_lineage([e for e in map(json.loads, lines) if e["job"]["name"] == "things"])


def test_a_defect_in_one_flow_is_told_and_holds_up_no_other(place: Any) -> None:
    """A mistake of ours met by one row must not stop all systems of an organization."""
    add_others(place)
    (place.folder / "sitecustomize.py").write_text(DEFECT)
    broken = place.folder / "broken"
    broken.touch()
    env = {
        "PYTHONPATH": f"{place.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "BROKEN": str(broken),
        "TMPDIR": str(place.folder),
    }
    watcher = place.start(env=env)

    said = watcher.until("failed", flow="things")
    waits = [watcher.until("state", flow="things", state="backing_off")["again_seconds"] for _ in range(2)]
    place.sql("a", "INSERT INTO others VALUES ('9', 'nine', 9)")
    place.wait(lambda: place.sql("b", "SELECT count(*) FROM others") == [(1,)])
    broken.unlink()
    place.sql("a", ADD, "1", "one", 1)
    place.wait(lambda: place.sql("b", "SELECT count(*) FROM things") == [(1,)])

    assert said["kind"] == "Defect"
    assert all(0 < seconds <= 1 for seconds in waits), "the flow's freshness is the longest wait, and each is told"
    found = re.fullmatch(r"(?s)a defect in Accord: KeyError: 'nobody thought of this'\. The trace is in (.+)\.", said["message"])
    assert found
    assert "nobody thought of this" in Path(found[1]).read_text()
    assert watcher.end() == 0


def test_a_full_disk_under_the_store_ends_no_watch(place: Any) -> None:
    """A real file system of 4 MB. Nobody should have to start a service again after making room, nor lose what was edited meanwhile."""
    small = place.folder / "small"
    small.mkdir()
    mounted = f'mount -t tmpfs -o size=4m tmpfs "{small}" || exit 77; exec "$@"'
    within = ("unshare", "--mount", "--map-root-user", "sh", "-c", mounted, "sh")
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    watcher = place.start("--workspace", str(small / "w"), within=within)
    watcher.until("watching")
    ballast = Path(f"/proc/{watcher.process.pid}/root{small}/ballast")
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    place.sql("a", ADD, "1", "one", 1)

    reason = watcher.until("no_room")["message"]
    before = place.sql("b", "SELECT * FROM things")
    ballast.unlink()

    place.wait(lambda: place.sql("b", "SELECT * FROM things") == [("1", "one", 1)])
    assert "no space left while writing" in reason
    assert before == []
    assert watcher.end() == 0


def test_a_system_that_is_away_is_tried_again_until_it_is_back(place: Any) -> None:
    """An outage of the other side is no reason for people to get up."""
    place.sql("a", ADD, "1", "one", 1)
    (place.folder / "b.db").rename(place.folder / "away.db")
    watcher = place.start()
    watcher.until("state", state="backing_off")

    (place.folder / "away.db").rename(place.folder / "b.db")
    watcher.until("run", status="done")

    assert place.sql("b", "SELECT name FROM things") == [("one",)]
    assert watcher.end() == 0


def check_lineage(events: list[dict[str, Any]]) -> None:
    """What the classes of the OpenLineage library refuse, or write differently, a catalog would drop."""
    kinds = [e["eventType"] for e in events]
    assert kinds[:2] == ["START", "COMPLETE"]
    assert kinds[-2:] == ["START", "FAIL"]
    for event in events:
        RunEvent(
            eventTime=event["eventTime"],
            eventType=RunState(event["eventType"]),
            producer=event["producer"],
            run=Run(**event["run"]),
            job=Job(**event["job"]),
            inputs=[InputDataset(**d) for d in event["inputs"]],
            outputs=[OutputDataset(**d) for d in event["outputs"]],
        )
    output = events[1]["outputs"][1]
    lineage = output["facets"]["columnLineage"]
    made = column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            name: column_lineage_dataset.Fields(
                inputFields=[
                    column_lineage_dataset.InputField(
                        **{**i, "transformations": [column_lineage_dataset.Transformation(**t) for t in i["transformations"]]}
                    )
                    for i in given["inputFields"]
                ]
            )
            for name, given in lineage["fields"].items()
        }
    )
    assert made._schemaURL == lineage["_schemaURL"]
    assert lineage["fields"]["name"]["inputFields"][0] == {
        "namespace": "accord://a",
        "name": "things",
        "field": "name",
        "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}],
    }
    assert output["facets"]["schema"]["_schemaURL"] == schema_dataset.SchemaDatasetFacet(fields=[])._schemaURL
    error = events[-1]["run"]["facets"]["errorMessage"]
    assert error["_schemaURL"] == error_message_run.ErrorMessageRunFacet(message="", programmingLanguage="")._schemaURL
    assert events[-2]["run"]["runId"] == events[-1]["run"]["runId"]


def applied(port: int, operation: str) -> float:
    """What the metrics count; a run is counted a moment after its rows are seen."""
    name = f'accord_changes_applied_total{{flow="things",operation="{operation}"}} '
    return sum(float(line.removeprefix(name)) for line in get(port, "/metrics")[1].splitlines() if line.startswith(name))


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_watch_goes_on_by_a_changed_map_and_by_the_one_before_while_it_is_wrong(place: Any) -> None:
    """A map is edited while a service runs; nobody should have to think of starting it again, and a slip must not end it."""
    place.sql("a", "INSERT INTO things VALUES ('1', 'x', 1)")
    watcher = place.start()
    watcher.until("run", flow="things")
    good = (place.folder / "map.yaml").read_text()

    (place.folder / "map.yaml").write_text(good.replace("b: {resource: things,", "b: {resorce: things,"))
    refused = watcher.until("map_refused")
    place.sql("a", "INSERT INTO things VALUES ('2', 'y', 2)")
    watcher.until("run", flow="things")
    kept = place.sql("b", "SELECT id, size FROM things ORDER BY id")
    (place.folder / "map.yaml").write_text(
        good.replace(
            "      b: {resource: things, fields: {id: id, name: name, size: size}}",
            "      b: {resource: things, fields: {id: id, name: name}}",
        )
    )
    renewed = watcher.until("map")
    place.sql("a", "INSERT INTO things VALUES ('3', 'z', 3)")
    watcher.until("run", flow="things")

    assert ("resorce" in refused["message"], kept) == (True, [("1", 1), ("2", 2)])
    assert renewed["flows"] == ["things"]
    assert place.sql("b", "SELECT id, size FROM things ORDER BY id") == [*kept, ("3", None)]
    assert watcher.end() == 0


def test_a_line_names_its_flow_once() -> None:
    """Sentences that stand alone elsewhere name it themselves."""
    assert about("things", "flow 'things': 2 rows wait.") == "things: 2 rows wait."
    assert about("things", "delete guard: flow 'things' would delete 9 rows.") == "delete guard: flow 'things' would delete 9 rows."
    assert about("things", "crm/people no longer has 'x'.") == "things: crm/people no longer has 'x'."


def test_a_file_that_is_restored_under_a_watch_carries_nothing_over(place: Any) -> None:
    """It carries old values before anybody can look; and what is done there afterwards, or by the next watch, does not make them edits.

    Once it was brought up, the watch that waited beside goes on.
    """
    file = place.folder / "map.yaml"
    file.write_text(file.read_text().replace("{resource: things,", "{resource: things, capture: cdc,").replace("1s", "1h"))
    for size in range(10):
        place.sql("a", ADD, str(size), "old", size)
    watcher = place.start()
    watcher.until("run", status="done")
    place.sql("a", "UPDATE things SET name = 'older' WHERE size = 9")
    place.wait(lambda: place.sql("b", "SELECT name FROM things WHERE size = 9") == [("older",)])
    shutil.copy(place.folder / "a.db", place.folder / "backup.db")
    place.sql("a", "UPDATE things SET name = 'new' WHERE size < 8")
    place.wait(lambda: place.sql("b", "SELECT count(*) FROM things WHERE name = 'new'") == [(8,)])

    (place.folder / "backup.db").replace(place.folder / "a.db")
    reason = watcher.until("state", flow="things", state="parked")["reason"]
    place.sql("a", "UPDATE things SET name = 'again'")
    watcher.end()
    watcher = place.start()
    watcher.until("state", flow="things", state="parked")
    kept = place.sql("b", "SELECT count(*) FROM things WHERE name = 'new'")
    brought_up = place.accord("sync", "--restored", "a")
    watcher.until("state", flow="things", state="waiting")
    place.sql("a", "UPDATE things SET name = 'on' WHERE size = 0")
    place.wait(lambda: place.sql("b", "SELECT name FROM things WHERE size = 0") == [("on",)])

    assert "'a' stands at an earlier state" in reason
    assert kept == [(8,)]
    assert brought_up.returncode == 0
    assert place.sql("a", "SELECT * FROM things ORDER BY id") == place.sql("b", "SELECT * FROM things ORDER BY id")
    assert watcher.end() == 0
