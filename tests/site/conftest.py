"""The built site in a real browser: Chromium, as `make docs` finds it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

SITE = Path(os.environ["MODELCHECKPOINT_SITE"]).resolve()
WIDTHS = {"wide": 1280, "phone": 390}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser():
    found = [path for path in map(shutil.which, BROWSERS) if path]
    assert found, f"none of these is on the PATH: {', '.join(BROWSERS)}"
    # Chromium's sandbox does not work as root, as in a container; the pages are ours.
    options = {"executable_path": found[0], "args": ["--no-sandbox"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def size(request):
    return request.param


@pytest.fixture
def page(browser, size):
    """Give an empty tab of this width; a request to a server fails the test."""
    viewport = {"width": WIDTHS[size], "height": 800}
    with browser.new_context(viewport=viewport) as context:
        context.set_default_timeout(300_000)  # even on a busy machine
        page = context.new_page()
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        schemes = {url.partition(":")[0] for url in asked}
        assert schemes <= {"file", "data", "about", "blob"}, asked
        assert errors == []


@pytest.fixture
def visit(page):
    """Return a function that opens a page of the site by its name."""

    def open_page(name):
        page.goto((SITE / name).as_uri(), wait_until="load")
        return page

    return open_page
