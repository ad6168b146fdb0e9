# ruff: noqa: E501  a case is one line, so that the table can be read
"""Mistakes of meaning: every rule finds what it is there for, and says what is possible instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from accord.mapfile import lint, load_map
from accord.mapfile import rules as package
from accord.mapfile.rules import rules

Changed = Callable[[str, str], Path]

CASES: list[tuple[str, str, str, str, str]] = [
    # rule, old, new, message, expected
    ("references", "owner: marketing, priority: 1", "owner: marketng, priority: 1", "system 'planner': owner: team 'marketng' does not exist.", "Did you mean 'marketing'?"),
    ("references", "calendar: office", "calendar: offices", "team 'marketing': calendar 'offices' does not exist.", "Did you mean 'office'?"),
    ("references", "entity: campaign\n    owner", "entity: campain\n    owner", "flow 'campaigns': entity 'campain' does not exist.", "Did you mean 'campaign'?"),
    ("references", "case: campaign\n    steps", "case: campagne\n    steps", "process 'delivery': case: entity 'campagne' does not exist.", "'campaign'"),
    ("references", "log: helpdesk", "log: helpdsk", "process 'support': log 'helpdsk' does not exist.", "Did you mean 'helpdesk'?"),
    ("references", "brief: {team: marketing", "brief: {team: sales", "process 'delivery', step 'brief': team 'sales' does not exist.", "Known: marketing, operations."),
    ("references", "inputs: [campaign]", "inputs: [camp]", "step 'produce': inputs: entity 'camp' does not exist.", "Known: asset, campaign, handoff."),
    ("references", "process: delivery\n", "process: delivry\n", "event 'campaign.launched'", ""),
    ("references", "processes: [delivery]", "processes: [deliver]", "objective 'faster': processes: process 'deliver' does not exist.", "'delivery'"),
    ("references", "entity: handoff\n", "entity: handof\n", "process 'delivery', handoffs: entity 'handof' does not exist.", "'handoff'"),
    ("names", "entities:\n", "entities:\n  my asset: {key: [id], fields: {id: text}}\n", "entities: 'my asset' cannot be a name.", "a letter"),
    ("names", "      planned_start: date", "      planned_start: date\n      _start: date", "'_start' cannot be a name", "a letter"),
    ("names", "      owner_team: text\n", "      owner_team: text\n      Owner_Team: text\n", "differ only in case", "Rename"),
    ("names", "  monthly:", "  ../monthly:", "reviews: '../monthly' cannot be a name.", "letters, digits"),
    ("names", "variables: {data", "variables: {da ta: x, data", "variables: 'da ta' cannot be a name.", "letters, digits"),
    ("names", "name: demo", "name: a/b", "the map: 'a/b' cannot be a name.", "letters, digits"),
    ("field_types", "planned_start: date", "planned_start: datetime", "'datetime' is no type.", "Did you mean 'timestamp'?"),
    ("field_types", "number(12,2)", "number(2,12)", "'number(2,12)' is no type.", "number(precision,scale)"),
    ("field_types", "minutes: integer", "minutes: int", "column 'minutes': 'int' is no type.", "Did you mean 'integer'?"),
    ("field_types", "minimum: 0}\n      status", "minimum: nought}\n      status", "minimum 'nought' is no number", "type number(12,2)"),
    ("field_types", "minimum: 0, maximum: 1000", "minimum: 10, maximum: 9", "the minimum 10 is above the maximum 9", "Exchange"),
    ("field_types", "{type: text, values: [draft, final]}", "{type: text, minimum: 3}", "a text has no minimum", "integer"),
    ("field_types", "values: [draft, final]", "values: [draft, draft]", "a value is listed twice", "Remove"),
    ("field_types", "attempt: {type: integer, minimum: 1}", "attempt: {type: integer, values: [1, two]}", "value 'two' is no integer", "integer"),
    ("field_types", "CMP-[0-9]{4}", "CMP-[0-9", "the pattern is no regular expression", "RE2"),
    ("field_types", "CMP-[0-9]{4}", "(?=CMP)", "the pattern is no regular expression", "look-around"),
    ("field_types", "type: integer, minimum: 1}", "type: integer, at_most: -1}", "at_most is -1", "0 for any"),
    ("keys", "key: [id]\n    owner", "key: [ident]\n    owner", "entity 'campaign': key field 'ident' does not exist.", "Known: "),
    ("keys", "key: [id]\n    owner", "key: []\n    owner", "entity 'campaign': the key is empty.", "identify a row"),
    ("keys", "key: [id]\n    owner", "key: [id, id]\n    owner", "the key holds 'id' twice", "Remove"),
    ("keys", "          id: external_id\n", "", "flow 'campaigns', binding 'tracker': the key field 'id' is not mapped.", "every key field"),
    ("field_references", "references: campaign}", "references: campagn}", "references: entity 'campagn' does not exist.", "Did you mean 'campaign'?"),
    ("field_references", "references: campaign.id", "references: campaign.idd", "references: field of entity 'campaign' 'idd' does not exist.", "'id'"),
    ("bindings", "planner: {resource: assets", "planer: {resource: assets", "binding 'planer': system 'planer' does not exist.", "'planner'"),
    ("bindings", "          status: state\n", "          statu: state\n", "field of entity 'campaign' 'statu' does not exist.", "Did you mean 'status'?"),
    ("bindings", "        cursor: changed\n", "", "capture: cursor needs a cursor", "cursor:"),
    ("units", "unit: cent}", "unit: cents}", "unit 'cents' cannot be converted", "Did you mean 'cent'?"),
    ("units", "column: minutes, unit: min", "column: minutes, unit: kg", "unit 'kg' (mass) does not convert to 'h' (time)", "one kind"),
    ("units", "unit: EUR, minimum: 0", "minimum: 0", "it is 'cent' there, and the field of entity 'campaign' has no unit", "Give the field its unit"),
    ("captures", "{resource: items, direction: read", "{resource: items, capture: cdc, direction: read", "capture: cdc, which kind 'jsonl' cannot", "cursor, snapshot, sweep"),
    ("bindings", "owner_team: {value: marketing}", "owner_team: {value: marketing, unit: h}", "a constant value cannot have unit", "Keep one"),
    ("bindings", "resource: items, direction: read", "resource: items, direction: write", "flow 'assets': no binding is read from.", "both or read"),
    ("bindings", "          name: title\n", "          name: state\n", "'name' and 'status' are both written to column 'state'", "direction: read"),
    ("bindings", "direction: write, create: true, fields: {id: id, ", "direction: write, fields: {id: {column: id, direction: read}, ", "direction read inside a binding with direction write", "Expected write."),
    ("bindings", "{resource: assets, direction: write, create: true,", "{resource: items, system: content, where: state <> 'lost', direction: write,", "are the same resource 'items'", "where:"),
    ("bindings", "write: \"cast(budget * 100 as bigint)\"", "unit: cent", "'read' replaces the conversion that 'unit' asks for", "Keep one"),
    ("authority", "status: tracker, budget", "status: trackr, budget", "authority of 'status': binding 'trackr' does not exist.", "Did you mean 'tracker'?"),
    ("authority", "status: tracker, budget", "stats: tracker, budget", "field of entity 'campaign' 'stats' does not exist", "'status'"),
    ("authority", "status: tracker, budget", "launched_at: tracker, budget", "binding 'tracker' does not map this field", "planner"),
    ("authority", "    covers: [S2]\n", "    covers: [S2]\n    authority: {state: planner}\n", "binding 'planner' is only written to", "both or read"),
    ("authority", "          updated_at: {column: updated_at, direction: read}\n", "", "latest, but binding 'tracker' has no time of change", "cursor:"),
    ("authority", "          updated_at: {column: updated_at, direction: read}\n", "          launched_at: {column: updated_at, direction: read}\n", "latest, but binding 'tracker' has no time of change", "updated_at mapped there"),
    ("existence", "existence: [planner]", "existence: [plan]", "existence: binding 'plan' does not exist", "Did you mean 'planner'?"),
    ("existence", "    covers: [S2]\n", "    covers: [S2]\n    existence: [planner]\n", "binding 'planner' is only written to", "both or read"),
    ("existence", "deletes: ignore", "deletes: mark", "binding 'tracker' writes no deleted_at", "a flag with read: and write:"),
    ("existence", "    covers: [S2]\n", "    covers: [S2]\n    deletes: mark\n", "entity 'asset' has no field deleted_at", "type timestamp"),
    ("existence", "delete_guard: 10%", "delete_guard: 0.1", "delete_guard '0.1' is no share", "0% to 100%"),
    ("existence", "delete_guard: 10%", "delete_guard: 101%", "delete_guard '101%' is no share", "0% to 100%"),
    ("existence", "delete_guard: 10%", "empty_guard: some", "empty_guard 'some' is no share", "0% to 100%"),
    ("renamed_flows", "    covers: [S2]\n", "    covers: [S2]\n    renamed_from: assets\n", "renamed_from 'assets' is a flow of this map.", "no longer there"),
    ("existence", "freshness: 15m", "freshness: 0m", "freshness is zero", "15m"),
    ("codes", "closed: done", "closed: don", "code 'closed' means 'don', which the field does not allow", "Did you mean 'done'?"),
    ("codes", "closed: done", "closed: done, archived: done", "codes 'closed' and 'archived' both mean 'done'", "one-to-one"),
    ("events", "time: launched_at\n", "time: launched\n", "time: field 'launched' does not exist", "'launched_at'"),
    ("events", "time: launched_at\n", "time: name\n", "time 'name' is a text", "timestamp or date"),
    ("events", "activity: \"'launch'\"", "activity: launch", "activity: field 'launch' does not exist", "in quotes"),
    ("events", "objects: {person: owner_team}", "objects: {person: owner}", "objects: field of 'person' 'owner' does not exist", "owner_team"),
    ("expressions", "check: planned_end >= planned_start", "check: planned_end >= planed_start", "column 'planed_start' does not exist", "Did you mean 'planned_start'?"),
    ("expressions", "check: planned_end >= planned_start", "check: planned_end >= name", "does not fit the types", "Cast"),
    ("expressions", "check: planned_end >= planned_start", "check: planned_end", "gives date, not true or false", "condition"),
    ("expressions", "check: planned_end >= planned_start", "check: planned_end >=", "is not an SQL expression", "DuckDB"),
    ("expressions", "check: planned_end >= planned_start", "check: planned_end >= order", "is not an SQL expression", 'Expected "order" in double quotes'),
    ("expressions", "when: status <> 'cancelled'", "when: lowr(status) = 'a'", "function 'lowr' is not allowed", "Did you mean 'lower'?"),
    ("expressions", "where: state <> 'lost'", "where: stat <> 'lost'", "column 'stat' does not exist", "Did you mean 'state'?"),
    ("expressions", "where: archived = 0", "where: archived = (select 1)", "a query inside an expression is not allowed", "columns"),
    ("expressions", "cast(budget * 100 as bigint)", "cast(budgt * 100 as bigint)", "column 'budgt' does not exist", "Did you mean 'budget'?"),
    ("expressions", "round(cost_cents / 100, 2)", "sum(cost_cents)", "function 'sum' is not allowed", "one row"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: sum(budgt), at_most: 9}}\n    rules:\n      dates:", "check 'cost', aggregate: column 'budgt' does not exist", "Did you mean 'budget'?"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: budget, at_most: 9}}\n    rules:\n      dates:", "it holds no aggregate", "sum"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: sum(budget)}}\n    rules:\n      dates:", "it has no limit", "at_least"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: sum(budget), at_most: much}}\n    rules:\n      dates:", "at_most 'much' is no number", "number"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: sum(budget) / minute(launched_at), at_most: 1}}\n    rules:\n      dates:", "cannot be computed", "Correct"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: sum(budget), at_most: 1, group_by: [stat]}}\n    rules:\n      dates:", "group_by: field 'stat' does not exist", "Did you mean 'status'?"),
    ("aggregates", "    rules:\n      dates:", "    checks: {cost: {aggregate: max(getvariable('x')), at_most: 1}}\n    rules:\n      dates:", "function 'getvariable' is not allowed", "one row"),
    ("aggregates", "planned_start: date", "planned_start: {type: date, freshness: 1d}\n      fresh: {type: text, freshness: 1d}", "a text has no freshness", "timestamp"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {exact: [stat]}}}\n    fields:\n      id: text\n", "match rule 'a', exact: field 'stat' does not exist", "Did you mean 'state'?"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {exact: [state], fuzzy: {effort: jaro_winkle 0.9}}}}\n    fields:\n      id: text\n", "'jaro_winkle 0.9' is no measure with a limit", "Did you mean 'jaro_winkler'?"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {fuzzy: {effort: jaro 0.9}}}}\n    fields:\n      id: text\n", "every row would be compared with every other", "block"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {block: [state 2]}}}\n    fields:\n      id: text\n", "rows that only share a block would be the same", "fuzzy"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {exact: [state], model: splink}}}\n    fields:\n      id: text\n", "a model weighs pairs within blocks", "Expected block"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {exact: [state], probability: 2}}}\n    fields:\n      id: text\n", "2.0 is no probability", "0 to 1"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {match: {a: {exact: [state], block: [stat 2]}}}\n    fields:\n      id: text\n", "block: field 'stat' does not exist", "state"),
    ("identity", "    key: [id]\n    fields:\n      id: text\n", "    key: [id]\n    identity: {}\n    fields:\n      id: integer\n", "the key is a canonical id", "id: text"),
    ("identity", "fields: {id: item_id, effort", "own_key: item_id, fields: {effort", "entity 'asset' keeps none", "Add identity"),
    ("identity", "fields: {id: item_id, effort", "linked_as: a/b, fields: {id: item_id, effort", "linked_as is about own keys", "Expected own_key."),
    ("identity", "fields: {id: item_id, effort", "new_key: uuid, fields: {id: item_id, effort", "there is no own_key", "Expected own_key"),
    ("pieces", "          name: title\n", "          name: {column: title, read: upper(title), direction: both}\n", "'read' has no inverse, so changes of other systems would never reach", "direction: read"),
    ("pieces", "          name: title\n", "          name: {column: title, read: upper(title)}\n", "'read' has no inverse, so changes of other systems would never reach", "direction: read"),
    ("pieces", "          name: title\n", "          name: {column: title, split: {part: 2}}\n", "cannot be written from parts [2]", "Map every part"),
    ("pieces", "          name: title\n", "          name: {column: title, split: {part: 0}}\n", "parts [0] of column 'title'", "counted from 1"),
    ("pieces", "          name: title\n", "          name: {join: {columns: [title]}}\n", "a join of one column joins nothing", "two columns"),
    ("pieces", "          name: title\n", "          name: {column: title, join: {columns: [title, rest]}}\n", "'join' names its columns itself", "Keep one"),
    ("pieces", "          name: title\n", "          name: {column: title, lookup: {code: a, value: b}}\n", "a lookup needs one table", "entity: or file:"),
    ("pieces", "          name: title\n", "          name: {column: title, lookup: {entity: asset, code: id, value: stat}}\n", "field of entity 'asset' 'stat' does not exist", "'state'"),
    ("pieces", "          name: title\n", "          name: {column: title, lookup: {entity: aset, code: id, value: state}}\n", "entity 'aset' does not exist", "'asset'"),
    ("pieces", "          name: title\n", "          name: {column: title, codes: {a: b}, lookup: {file: x.csv, code: a, value: b}}\n", "both say how the value is read", "Keep one"),
    ("pieces", "          name: title\n", "          name: {column: title, separator: ','}\n", "the field is no set", "separator:"),
    ("pieces", "          id: external_id\n", "          id: {column: external_id, split: {part: 1}}\n", "a key cannot be made of pieces", "column of its own"),
    ("bindings", "          name: title\n", "          name: {join: {columns: [title, state]}}\n", "are both written to column 'state'", "direction: read"),
    ("processes", "after: [brief], inputs", "after: [breif], inputs", "after: step 'breif' does not exist", "Did you mean 'brief'?"),
    ("processes", "brief: {team: marketing", "brief: {after: [launch], team: marketing", "its steps wait for each other: ", "Remove one"),
    ("processes", "sla: 2d", "sla: 0d", "the sla is zero", "above zero"),
    ("handoffs", "offered: handed_over_at", "offered: handed_over", "offered: field of entity 'handoff' 'handed_over' does not exist", "'handed_over_at'"),
    ("handoffs", "offered: handed_over_at", "offered: from_team", "offered 'from_team' is a text", "timestamp"),
    ("handoffs", "      offered: handed_over_at\n", "", "handoffs: 'offered' is missing", "field of entity"),
    ("handoffs", "{between: resource, ", "{", "neither 'entity' nor 'between' is given", "Expected one"),
    ("handoffs", "{between: resource, ", "{between: resource, step: x, ", "'step' goes with 'entity'", "Remove"),
    ("handoffs", "{between: resource, ", "{between: resource, entity: handoff, ", "both 'entity' and 'between' are given", "Expected one"),
    ("process_steps", "stop: {when: budget > 10000}, go: {}", "go: {to: lunch}", "step 'launch', route 'go': to: step 'lunch' does not exist.", "Did you mean 'launch'?"),
    ("process_steps", ", go: {}", "", "no route is open when none of the conditions is true", "without when"),
    ("process_steps", ", routes: {stop: {when: budget > 10000}, go: {}}", "", "the decision has no routes", "Expected routes"),
    ("process_steps", "kind: decision, sla", "sla", "only a decision has routes", "kind: decision"),
    ("process_steps", "budget > 10000", "budgt(1) > 1", "step 'launch', routes stop when", ""),
    ("process_steps", "produce: {team: operations,", "produce: {kind: auto,", "it calls nothing", "action:"),
    ("process_steps", "produce: {team: operations,", "produce: {kind: wait,", "it waits for nothing", "delay:"),
    ("process_steps", "produce: {team: operations,", "produce: {kind: wait, delay: 1h, until: now_,", "delay and until are both given", "Keep one"),
    ("process_steps", "produce: {team: operations,", "produce: {kind: subprocess,", "it runs no process", "process:"),
    ("process_steps", "produce: {team: operations,", "produce: {kind: foreach, process: support,", "it has no list", "each:"),
    ("process_steps", "produce: {team: operations,", "produce: {kind: subprocess, process: suport,", "process: process 'suport' does not exist", "'support'"),
    ("process_steps", "brief: {team: marketing,", "brief: {team: marketing, max_times: 0,", "max_times is 0", "1 or more"),
    ("process_starts", "support: {log", "support: {starts: {x: {message: go}}, log", "process 'support', start 'x': it has no steps to begin", "Expected steps"),
    ("own_tasks", "connector: jsonl", "connector: accord", "resource 'items' does not exist", "Known: handoffs, tasks"),
    ("process_paths", "stop: {when: budget > 10000}, go: {}}}", "stop: {to: ghost, when: budget > 10000}, go: {}}}\n      ghost: {team: marketing, after: [brief], join: all}", "step 'ghost' waits for ever after brief → produce → launch (go)", "join: any"),
    ("personal", "key: [id]\n    owner: marketing", "key: [id]\n    person: nane\n    owner: marketing", "entity 'campaign': field 'nane' does not exist", "Did you mean 'name'"),
    ("people", "ana@example.org", "ana at work", "people: 'Ana' has the address 'ana at work', which is none.", "mia@example.org"),
    ("people", "owner: Cem}", "owner: Cen}", "team 'operations': owner: person 'Cen' does not exist.", "Did you mean 'Cem'?"),
    ("webhooks", "handoff.*", "handoff*", "webhook 'shop': 'handoff*' is no type of event.", "task.*"),
    ("webhooks", ", types: [task.ready, \"handoff.*\"]", "", "webhook 'shop': url and types go together.", "Expected both"),
    ("targets", "at_least: 0.95", "at_least: 0.95, at_most: 1", "at_least and at_most are given", "exactly one"),
    ("targets", ", at_least: 0.95", "", "target 'sync': it has no goal", "exactly one"),
    ("targets", "reduce_by: 0.8", "reduce_by: 80", "reduce_by is 80", "0.8 for -80 %"),
    ("targets", "reduce_by: 0.8", "improve_by: -0.8", "improve_by is -0.8", "above 0"),
    ("known_names", "connector: sqlite", "connector: sqlit", "connector 'sqlit' does not exist", "Did you mean 'sqlite'?"),
    ("known_names", "kpi: sync_success", "kpi: sync_sucess", "target 'sync': KPI 'sync_sucess' does not exist", "Did you mean 'sync_success'?"),
    ("known_names", "kpis: [handoff_time]", "kpis: [handof_time]", "objective 'faster': KPI 'handof_time' does not exist", "'handoff_time'"),
    ("times", "timezone: Europe/Berlin\ncurrency", "timezone: Europe/Berln\ncurrency", "time zone 'Europe/Berln' does not exist", "Did you mean 'Europe/Berlin'?"),
    ("times", "timezone: Europe/Berlin, format", "timezone: CEST, format", "time zone 'CEST' does not exist", "IANA"),
    ("times", "days: [mon, ", "days: [monday, ", "'monday' is no day", "mon, tue"),
    ("times", "opens: \"08:30\"", "opens: 8.30", "'8.30' is no time of day", "HH:MM"),
    ("times", "closes: \"17:00\"", "closes: \"07:00\"", "it closes at 07:00, not after it opens", "Exchange"),
    ("times", "holidays: [2026-05-01]", "holidays: [2026-02-30]", "'2026-02-30' is no date", "YYYY-MM-DD"),
    ("times", "golive: 2026-03-01", "golive: 1.3.2026", "'1.3.2026' is no date", "YYYY-MM-DD"),
    ("money", "currency: EUR\ngolive", "currency: Euro\ngolive", "'Euro' is no currency", "Did you mean 'EUR'?"),
    ("money", "currency: EUR, unit", "currency: eur, unit", "'eur' is no currency", "Did you mean 'EUR'?"),
    ("scales", "likelihood: 4", "likelihood: 6", "likelihood: 6 is off the scale", "1 to 5"),
    ("scales", "priority: 2", "priority: 0", "priority: 0 is off the scale", "1 to 5"),
    ("scales", "[improve, benchmark]", "[improve, bench]", "lifecycle step 'bench' does not exist", "'benchmark'"),
    ("scales", "amount: 48.50", "amount: -1", "the amount is below zero", "0 or more"),
    ("public_url", "timezone: Europe/Berlin\ncurrency", "public_url: accord.example\ntimezone: Europe/Berlin\ncurrency", "'accord.example' is no web address", "https://accord.example"),
    ("public_url", "timezone: Europe/Berlin\ncurrency", "public_url: http://accord.example\ntimezone: Europe/Berlin\ncurrency", "could use the links in mails", "https://"),
    ("logs", "    case: Case ID\n", "", "log 'helpdesk': 'case' is missing", "column of the csv file"),
    ("logs", "    activity: Activity\n", "    activity: Activity\n    separator: ;;\n", "is not one character", "such as"),
    ("connector_options", "{compression: none}", "{compresion: none}", "system 'content': option 'compresion' does not exist.", "Did you mean 'compression'?"),
    ("connector_options", "{compression: none}", "{compression: zip}", "value of 'compression', 'zip' does not exist.", "Did you mean 'gzip'?"),
    ("connector_options", "key: [item_id], ", "key: [item_id], options: {linse: 3}, ", "system 'content', resource 'items': option 'linse' does not exist.", "Did you mean 'lines'?"),
]  # fmt: skip
KPIS = ("sync_success", "handoff_time", "throughput_time")
_COMPARED = ("snapshot", "sweep", "cursor")
KINDS = {"sqlite": (*_COMPARED, "cdc"), "postgresql": (*_COMPARED, "cdc"), "jsonl": _COMPARED, "accord": _COMPARED}
OPTIONS = {"jsonl": ({"compression": ("none", "gzip"), "x.*": ()}, {"lines": ()})}


@pytest.mark.parametrize(("rule", "old", "new", "message", "expected"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_mistake_of_meaning_is_one_problem_with_what_was_expected(
    changed: Changed, rule: str, old: str, new: str, message: str, expected: str
) -> None:
    """One slip is one sentence; more would send people looking in the wrong place."""
    path = changed(old, new)

    problems = lint(path, known_kpis=KPIS, known_connectors=KINDS, known_options=OPTIONS)

    found = [p for p in problems if message in p.message]
    assert found, problems
    assert expected in found[0].expected
    assert found[0].place.line > 0
    assert len(problems) == 1, problems


def test_every_rule_has_a_case_here_and_a_sentence_of_its_own() -> None:
    """A rule nobody saw fail may never fail."""
    assert {name for name, _, _ in rules()} == {case[0] for case in CASES}
    assert all(text.endswith(".") and len(text) > 20 for _, text, _ in rules())


def test_names_outside_the_map_are_not_checked_unless_they_are_given(changed: Changed) -> None:
    """A map can be read where no KPI and no connector is installed."""
    assert lint(changed("kpi: sync_success", "kpi: anything")) == []


def test_a_section_that_is_no_mapping_is_one_problem(changed: Changed, demo_text: str, tmp_path: Path) -> None:
    """Nothing is known of its names, so nothing is said about references to them."""
    start, end = demo_text.index("systems:"), demo_text.index("entities:")
    path = tmp_path / "map.yaml"
    path.write_text(demo_text[:start] + "systems: none\n\n" + demo_text[end:], encoding="utf-8")

    assert ["systems:" in p.message for p in lint(path)] == [True]


@pytest.fixture
def extra_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with one more rule, added to the package's search path."""
    folder = tmp_path / "more_rules"
    folder.mkdir()
    (folder / "titled.py").write_text(
        '"""Every team has a title."""\n\n\ndef check(facts):\n'
        "    for team in facts.map.teams.values():\n        if not team.title:\n"
        "            yield facts.problem(('teams', team.name), f\"team '{team.name}' has no title.\", 'Expected title: …')\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    rules.cache_clear()
    yield
    rules.cache_clear()
    sys.modules.pop(f"{package.__name__}.titled", None)


@pytest.mark.usefixtures("extra_rule")
def test_a_new_rule_is_one_new_file(tmp_path: Path) -> None:
    """Extension is a file in a folder, no edit elsewhere."""
    path = tmp_path / "map.yaml"
    path.write_text("name: x\nteams: {ops: {owner: Ana}}\n", encoding="utf-8")

    assert [p.message for p in lint(path)] == ["team 'ops' has no title."]


def test_a_circle_of_steps_is_named_in_order(tmp_path: Path) -> None:
    """The arrow says which step waits for which, so that one of them can be chosen to break it."""
    path = tmp_path / "map.yaml"
    path.write_text(
        "name: x\nprocesses:\n  p:\n    steps:\n      a: {}\n      b: {after: [a, d]}\n      c: {after: [b]}\n      d: {after: [c]}\n      e: {after: [d]}\n",
        encoding="utf-8",
    )

    message = lint(path)[0].message

    assert any(f"each other: {' → '.join(walk)}." in message for walk in ("bcdb", "cdbc", "dbcd")), message


def test_own_names_for_bindings_name_their_system(tmp_path: Path, changed: Changed) -> None:
    """Two bindings of one system need names of their own."""
    path = changed("      tracker:\n        resource: projects", "      tracker_eu:\n        system: tracker\n        resource: projects")
    path.write_text(path.read_text().replace("status: tracker, budget", "status: tracker_eu, budget"), encoding="utf-8")

    assert load_map(path).flows["campaigns"].bindings["tracker_eu"].system == "tracker"


def test_fields_that_one_column_holds_together_may_all_write_it(changed: Changed) -> None:
    """«last, first» in one column: both fields give the same write, so that an edit of either reaches the column."""
    kept = "          budget: {column: budget_cents, unit: cent}\n"
    old = f"          name: title\n{kept}          status: state\n"
    both = "write: \"status || ', ' || name\""
    new = (
        f"          name: {{column: title, read: \"split_part(title, ', ', 2)\", {both}}}\n"
        f"{kept}          status: {{column: title, read: \"split_part(title, ', ', 1)\", {both}}}\n"
    )
    path = changed(old, new)

    assert not [p for p in lint(path, known_kpis=KPIS, known_connectors=KINDS) if "written to column" in p.message]
