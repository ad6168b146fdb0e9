"""HTML pages: self-contained, accessible, and without a way for data to become markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from accord.govern.templates import load_template
from accord.model.errors import DataRefused
from accord.report import Document, Picture, Section, Stamp, to_html, without_stamp

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)> \" onload='x' {{ 7*7 }}"
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Collects tags, ids and references, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


@pytest.fixture
def template() -> str:
    return load_template("step").text


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_a_hostile_name_makes_no_element_and_no_attribute(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """Names come from systems others can write to."""
    calm, hostile = (read(to_html(make_document(word), stamp, template)) for word in ("planner", HOSTILE))

    assert [tag for tag, _ in hostile.seen] == [tag for tag, _ in calm.seen]
    assert [sorted(attrs) for _, attrs in hostile.seen] == [sorted(attrs) for _, attrs in calm.seen]


def test_a_page_loads_nothing_and_runs_nothing(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """A report is mailed and archived; it must show the same without a network, and be safe to open."""
    page = to_html(make_document(), stamp, template)
    tags = read(page).seen

    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "form"}
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on") or name in ("src", "srcset")]
    assert "@import" not in page
    assert "url(" not in page.split("</style>")[0]
    assert "default-src 'none'" in page
    assert all((attrs.get("href") or "#").startswith("#") for _, attrs in tags)


def test_ids_are_unique_and_every_reference_resolves(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """Evidence numbers, sections and labels lead somewhere."""
    tags = read(to_html(make_document(), stamp, template)).seen
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    wanted = {str(attrs["href"])[1:] for _, attrs in tags if "href" in attrs}
    wanted |= {part for _, attrs in tags for part in (attrs.get("aria-labelledby") or "").split()}

    assert len(ids) == len(set(ids))
    assert wanted
    assert wanted <= set(ids)


def test_two_pictures_of_one_name_keep_apart(stamp: Stamp, template: str) -> None:
    """A drop-in deliverable may show the same kind of picture twice."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><path id="a" d="M0 0"/></svg>'
    document = Document("d", "t", "assess", (Section("s", (Picture("p", svg, "P", "p"), Picture("P", svg, "P", "p"))),))

    ids = [attrs["id"] for _, attrs in read(to_html(document, stamp, template)).seen if "id" in attrs]

    assert {"pic-p", "pic-p-2"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_every_picture_has_title_description_and_table_twin(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """A picture must say the same to those who cannot see it."""
    page = to_html(make_document(), stamp, template)

    assert re.search(r'<svg [^>]*role="img"[^>]*aria-labelledby="pic-map-planner-title pic-map-planner-desc"', page)
    assert ">Map planner</title>" in page
    assert ">Shows planner.</desc>" in page
    assert page.index("<svg") < page.index("The same as a table") < page.rindex("</figure>")


def test_a_verdict_is_said_in_words(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """Color alone is not read by everyone, and not on paper."""
    page = to_html(make_document(), stamp, template)

    assert re.search(r'<span class="chip not-met"><span aria-hidden="true">✗</span> not\s+met</span>', page)
    assert re.search(r'<span class="unmeasured">not measured: nothing was simulated', page)


def test_only_the_stamp_differs_between_two_runs(make_document: Callable[..., Document], stamp: Stamp, template: str) -> None:
    """«No change» is judged by comparing documents."""
    later = Stamp("run-8", stamp.at.replace(day=23), "demo", "cd" * 32, "4", "0.2.0", "step v2")

    first, second = (to_html(make_document(), mark, template) for mark in (stamp, later))

    assert first != second
    assert without_stamp(first) == without_stamp(second)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject><p>x</p></foreignObject>",
        '<image href="http://evil/x.png"/>',
        "<style>*{background:url(http://evil)}</style>",
        '<use href="#a"/>',
        '<animate attributeName="x"/>',
    ],
)
def test_a_picture_that_does_more_than_draw_is_refused(stamp: Stamp, template: str, inside: str) -> None:
    """A pack may bring its own pictures; a page stays harmless whatever they hold."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1">{inside}</svg>'
    document = Document("d", "t", "assess", (Section("s", (Picture("p", svg, "P", "p"),)),))

    with pytest.raises(DataRefused, match="picture 'pic-p'"):
        to_html(document, stamp, template)


def test_a_picture_loses_handlers_links_and_foreign_references(stamp: Stamp, template: str) -> None:
    """What only decorates is dropped; ids get the picture's name so that two pictures do not mix."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" onload="x()"><defs><clipPath id="c"><rect/></clipPath></defs>'
        '<g onclick="x()" style="background:url(http://evil)" clip-path="url(#c)" fill="url(http://evil/#a)"><text>&lt;b&gt;</text></g></svg>'
    )
    document = Document("d", "t", "assess", (Section("s", (Picture("p", svg, "P", "p"),)),))

    page = to_html(document, stamp, template)

    assert "evil" not in page
    assert "onclick" not in page
    assert 'id="pic-p-c"' in page
    assert 'clip-path="url(#pic-p-c)"' in page
    assert "<text>&lt;b&gt;</text>" in page


def test_text_that_is_no_svg_is_refused(stamp: Stamp, template: str) -> None:
    """Better no page than a page with a hole."""
    document = Document("d", "t", "assess", (Section("s", (Picture("p", "<svg", "P", "p"),)),))

    with pytest.raises(DataRefused, match="not a drawing"):
        to_html(document, stamp, template)


def test_a_template_runs_in_a_sandbox(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """Templates may come from a pack; they write pages and do nothing else."""
    with pytest.raises(SecurityError):
        to_html(make_document(), stamp, "{{ page.__class__.__mro__ }}")
    with pytest.raises(UndefinedError):
        to_html(make_document(), stamp, "{{ pgae.document }}")


def test_a_template_escapes_what_it_is_given(make_document: Callable[..., Document], stamp: Stamp) -> None:
    """A template author does not have to think of it."""
    assert to_html(make_document("<b>"), stamp, "{{ page.document.summary }}") == "About &lt;b&gt;."
