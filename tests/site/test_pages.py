"""Every page, wide and at a phone's width: none is empty, and no line is cut.

The screenshots stay in the site's folder, to be looked at.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from conftest import SITE
from PIL import Image

CUT = Path(__file__).with_name("cut.js").read_text(encoding="utf-8")


def names():
    """Return the names of all pages but those that only lead to another."""
    return sorted(
        path.relative_to(SITE).as_posix()
        for path in SITE.rglob("*.html")
        if 'http-equiv="refresh"' not in path.read_text(encoding="utf-8")
    )


def is_empty(picture):
    """Return whether a picture has but one colour."""
    return all(low == high for low, high in picture.convert("RGB").getextrema())


def looked_at(page):
    return Image.open(io.BytesIO(page.screenshot(full_page=True)))


@pytest.mark.parametrize("name", names())
def test_a_page(visit, size, name):
    """It shows something, and all of it can be read."""
    page = visit(name)
    picture = looked_at(page)
    folder = SITE / "screenshots" / size
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{name.removesuffix('.html').replace('/', '-')}.png")
    assert not is_empty(picture)
    cut = page.evaluate(CUT, size == "wide")
    assert not cut, "\n".join(cut)


def test_an_empty_page_would_be_seen(page):
    """The test of pages can fail."""
    page.set_content("<p></p>")
    assert is_empty(looked_at(page))
    page.set_content("<p>text</p>")
    assert not is_empty(looked_at(page))


LONG = "word" * 500


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        (f"<p>{LONG}</p>", "the page is"),
        (f"<p style='overflow: hidden'>{LONG}</p>", "hidden: word"),
        (f"<body style='overflow-x: hidden'><p>{LONG}</p>", "hidden: word"),
        (f"<p style='margin-left: -19px'>{LONG[:4]}</p>", "outside of the page"),
        (f"<pre style='overflow: auto'>{LONG}</pre>", "code that has to be scrolled"),
    ],
)
def test_a_cut_line_would_be_seen(page, html, fault):
    """The test of pages can fail."""
    page.set_content(html)
    assert any(fault in found for found in page.evaluate(CUT, True))


def test_what_scrolls_or_is_hidden_on_purpose_is_not_cut(page):
    """Code may scroll where a page is narrow, and a closed menu is not there."""
    page.set_content(
        f"<pre style='overflow: auto'>{LONG}</pre>"
        f"<p style='display: none'>{LONG}</p><p>{LONG[:4]}</p>"
    )
    assert page.evaluate(CUT, False) == []
