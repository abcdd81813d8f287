"""What a reader does on the site: search, choose a language, follow the menu."""

from __future__ import annotations

import pytest
from conftest import SITE


def open_menu(page):
    """Open the menu, and wait until it moves no more: a click would miss its target."""
    page.get_by_label("Menu").click()
    page.locator(".navbar-collapse.collapse.show").wait_for()


@pytest.fixture
def search(visit, size):
    """Return what searches from a page, and returns where the hits lead."""

    def find(name, words):
        page = visit(name)
        if size == "phone":
            open_menu(page)
        page.get_by_placeholder("Search").fill(words)
        hits = page.locator("#search-results a")
        hits.first.wait_for()
        return page, [hit.get_attribute("href") for hit in hits.all()]

    return find


@pytest.mark.parametrize("name", ["index.html", "articles/resume.html"])
def test_search_finds_both_languages(search, name):
    """A function is found in R's reference and in Python's, from any folder."""
    _, hits = search(name, "verify_checkpoints")
    assert any("reference/verify_checkpoints.html" in hit for hit in hits)
    assert any("python/modelcheckpoint.html#verify_checkpoints" in hit for hit in hits)


def test_a_hit_leads_to_its_section(search):
    """By a click, or for the first one by Enter."""
    page, hits = search("index.html", "keep_lat")
    page.locator("#search-results a").first.click()
    page.wait_for_url(f"**/{hits[0]}")
    assert "keep_latest" in page.content()
    page, hits = search("reference/index.html", "power cut")
    page.get_by_placeholder("Search").press("Enter")
    page.wait_for_url("**" + hits[0].lstrip("."))


def test_nothing_is_found(visit, size):
    """And the page says so."""
    page = visit("index.html")
    if size == "phone":
        open_menu(page)
    page.get_by_placeholder("Search").fill("nosuchword")
    page.get_by_text("Nothing found").wait_for()


def test_r_and_python_are_tabs(visit):
    """One is shown; whoever chooses the other sees it everywhere, on each page."""
    for number, name in enumerate(["articles/modelcheckpoint", "articles/retention"]):
        page = visit(f"{name}.html")
        python = page.get_by_role("tab", name="Python", exact=True)
        r = page.get_by_role("tab", name="R", exact=True)
        assert python.count() == r.count() > 1
        if number == 0:
            assert r.first.get_attribute("aria-selected") == "true"
            assert page.get_by_text("import ModelCheckpoint").first.is_hidden()
            python.last.click()
        for tab in python.all():
            assert tab.get_attribute("aria-selected") == "true"
        assert page.get_by_text("import ModelCheckpoint").first.is_visible()


def test_the_start_page_has_a_picture(visit):
    """It is there, and it is not a broken one."""
    page = visit("index.html")
    pictures = page.locator("main img").all()
    assert pictures
    for picture in pictures:
        assert picture.evaluate("image => image.complete && image.naturalWidth") > 300


def test_each_menu_entry_leads_to_a_page(visit):
    """From the start page and from a folder below it."""
    for name in ("index.html", "reference/index.html"):
        page = visit(name)
        links = page.locator("nav a[href$='.html']").evaluate_all(
            "links => links.map((link) => link.pathname)"
        )
        assert len(links) > 8
        assert [path for path in links if not path.startswith(SITE.as_posix())] == []
