"""Documents and pictures: figures in, Markdown, HTML and SVG out. Reads nothing, decides nothing."""

from accord.report.canonical import digest, to_json
from accord.report.document import (
    Block,
    Code,
    Document,
    Figures,
    Findings,
    Paragraph,
    Picture,
    Section,
    Table,
    Targets,
)
from accord.report.html import to_html
from accord.report.markdown import to_markdown
from accord.report.stamp import Stamp, without_stamp

__all__ = [
    "Block",
    "Code",
    "Document",
    "Figures",
    "Findings",
    "Paragraph",
    "Picture",
    "Section",
    "Stamp",
    "Table",
    "Targets",
    "digest",
    "to_html",
    "to_json",
    "to_markdown",
    "without_stamp",
]
