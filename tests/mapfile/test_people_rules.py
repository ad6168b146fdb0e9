"""Who is reached how, and who is told what, as a map declares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from accord.mapfile import lint, load_map

TEAMS = "name: t\nteams: {a: {owner: Ann}, b: {backup: Ben}, c: {}}\n"
PEOPLE = "people: {Ann: {team: a, email: ann@example.org}, Ben: {team: b}}\n"
HOOK = "webhooks: {shop: {%s}}\n"


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "map.yaml"
    path.write_text(TEAMS + text)
    return [str(p) for p in lint(path)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PEOPLE, ""),
        ("people: {Ann: {}}\n", "backup: person 'Ben' does not exist"),
        (PEOPLE + "processes: {p: {steps: {s: {team: c}}}}\n", "nobody of people is in team 'c'"),
        (PEOPLE + "processes: {p: {steps: {s: {team: c, backup: Ann}}}}\n", ""),
        (PEOPLE + "processes: {p: {steps: {s: {team: a, backup: An}}}}\n", "Did you mean 'Ann'"),
        (PEOPLE + "processes: {p: {steps: {s: {team: a, escalate_to: b}}}}\n", ""),
        ("processes: {p: {steps: {s: {team: a, escalate_to: The boss}}}}\n", ""),  # a map without people names whom it likes
        ("people: {Ann: {email: ann at home}, Ben: {}}\n", "'ann at home', which is none"),
        ("people: {Ann: {team: x}, Ben: {}}\n", "team 'x' does not exist"),
    ],
)
def test_people_are_checked_where_a_map_names_them(tmp_path: Path, text: str, said: str) -> None:
    """A step nobody can do is found before it waits for ever."""
    found = problems(tmp_path, text)

    assert (found == []) if not said else (len(found) == 1 and said in found[0]), found


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("url: 'https://shop.example', types: [task.ready, 'handoff.*'], secret: '${env:A}  ${env:B}'", ""),
        ("messages: [order], secret: '${env:A}', key: \"data ->> 'order'\"", ""),
        ("secret: '${env:A}'", "sends and takes nothing"),
        ("url: 'https://shop.example', secret: '${env:A}'", "url and types go together"),
        ("url: 'ftp://shop.example', types: ['*'], secret: '${env:A}'", "no web address"),
        ("messages: [order], secret: hush", "anybody could sign"),
        ("messages: [order]", "anybody could sign"),
        ("url: '${env:U}', types: [Task Ready], secret: '${env:A}'", "no type of event"),
        ("url: '${env:U}', types: [webhook.dead], secret: '${env:A}'", "not sent by webhooks"),
        ("messages: [order], secret: '${env:A}', key: 'select 1'", "key"),
        ("messages: ['${env:A}'], secret: '${env:A}'", "in url: or secret: of a webhook"),
    ],
)
def test_webhooks_are_signed_and_do_something(tmp_path: Path, keys: str, said: str) -> None:
    """An unsigned webhook would let anybody start processes."""
    found = problems(tmp_path, HOOK % keys)

    assert (found == []) if not said else (len(found) == 1 and said in found[0]), found


def test_addresses_of_teams_make_no_other_version_of_a_process(tmp_path: Path) -> None:
    """Whoever changes a mailbox changes nobody's work, and no address stands in a definition that is kept for ever."""
    from accord.work.definition import define

    hashes = set()
    for email in ("", ", email: a@example.org"):
        path = tmp_path / f"map{len(email)}.yaml"
        path.write_text(f"name: t\nteams: {{a: {{owner: Ann{email}}}}}\nprocesses: {{p: {{owner: a, steps: {{s: {{team: a}}}}}}}}\n")
        hashes.add(define(load_map(path), "p").hash)

    assert len(hashes) == 1
