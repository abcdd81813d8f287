"""Tables as HTML: complete, and harmless whatever they contain."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_examples import RECORD, records

from modelcheckpoint.display.html import fields_html, table_html
from modelcheckpoint.display.table import Cells
from modelcheckpoint.display.text import shown

TAGS = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}


class Parsed(HTMLParser):
    """The tags of a piece of HTML, its attributes, and the text in its cells."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.cells = [], set(), []
        self.in_cell = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.in_cell = tag in ("td", "th", "caption")
        if self.in_cell:
            self.cells.append("")

    def handle_endtag(self, tag):
        self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.cells[-1] += data
        else:
            assert data == "\n"


def test_a_table():
    """Heads, rows, and the texts above and below; numbers are aligned to the right."""
    columns = [Cells("name", ["a", "b"]), Cells("n", ["1", "22"], right=True)]
    assert table_html(columns, "two", ["", "a note"]).splitlines() == [
        '<table class="tex2jax_ignore mathjax_ignore">',
        "<caption>two</caption>",
        "<thead>",
        '<tr><th style="text-align: left">name</th>'
        '<th style="text-align: right">n</th></tr>',
        "</thead>",
        "<tbody>",
        '<tr><td style="text-align: left">a</td>'
        '<td style="text-align: right">1</td></tr>',
        '<tr><td style="text-align: left">b</td>'
        '<td style="text-align: right">22</td></tr>',
        "</tbody>",
        "<tfoot>",
        '<tr><td colspan="2" style="text-align: left">a note</td></tr>',
        "</tfoot>",
        "</table>",
    ]


def test_no_columns():
    """Then only the caption is left."""
    assert Parsed(table_html([], "nothing")).tags == ["table", "caption"]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '" onload="alert(1)',
        "</td></table><h1>",
        "&lt;b&gt;",
        "``` \n\n# head",
        "\x1b[31m\r\n\u202e.keras",
    ],
)
def test_hostile_text(text):
    """No text becomes markup, moves a cursor, or ends the block around it."""
    html = table_html([Cells(text, [text])], text, [text])
    parsed = Parsed(html)
    assert parsed.cells == [shown(text)] * 4
    assert set(parsed.tags) <= TAGS
    assert "`" not in html
    assert "\n\n" not in html
    assert "\x1b" not in html


@given(st.text(), st.text())
def test_any_text(one, other):
    """Parsing the table gives the texts that went in."""
    parsed = Parsed(table_html([Cells(one, [other])], other, [one + "x"]))
    assert parsed.cells == [shown(other), shown(one), shown(other), shown(one + "x")]
    assert parsed.attributes == {"class", "style", "colspan"}


def test_fields():
    """A long value shows both ends; the values of a mapping have their names."""
    html = fields_html({"states": "s" * 9000 + "end", "logs": {"loss": 0.5}}, "one")
    assert Parsed(html).cells[3:5] == ["states", "s" * 39 + "..." + "s" * 35 + "end"]
    assert Parsed(html).cells[5:] == ["logs", "loss: 0.5"]


def test_a_record():
    """A row for each field, none of them long, under the file's name."""
    packed = {"states": "x" * 9000, "random": {"torch": "y" * 9000}}
    record = replace(RECORD, **packed, build={"input_shape": [None, 2]})
    cells = Parsed(record._repr_html_()).cells
    assert cells[:3] == [record.path, "field", "value"]
    assert cells[3::2] == list(vars(record))
    assert cells[cells.index("build") + 1] == "input_shape: [None, 2]"
    assert max(map(len, cells)) == 80


@given(records)
def test_any_record(record):
    """Whatever a journal says, each field has its row."""
    assert Parsed(record._repr_html_()).cells[3::2] == list(vars(record))
