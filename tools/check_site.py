"""Check a built site: check_site.py FOLDER.

Every link within the site must lead to an existing page and place. No page may load a
script, a style or a picture from a server. No example may have ended with an error,
except where the error is shown on purpose.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Vignettes that show an error on purpose, and how many.
EXPECTED_ERRORS = {
    "articles/modelcheckpoint.html": 1,
    "articles/object-storage.html": 1,
}


class Page(HTMLParser):
    """The links of a page, the files it loads, and the places it can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag refers to."""
        given = {name: value or "" for name, value in attrs}
        self.places.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("img", "script", "iframe") and "src" in given:
            self.loads.append(given["src"])
        elif tag == "link" and given.get("rel") == "stylesheet":
            self.loads.append(given["href"])


def main(folder: str) -> None:
    """Print what is wrong, and exit with status 1 if anything is."""
    root = Path(folder).resolve()
    texts = {path: path.read_text(encoding="utf-8") for path in root.rglob("*.html")}
    pages = {path: Page(text) for path, text in texts.items()}
    wrong = []
    for path, page in sorted(pages.items()):
        name = path.relative_to(root).as_posix()
        wrong += [f"{name}: {found}" for found in _wrong_links(path, page, pages)]
        wrong += [f"{name}: {found}" for found in _wrong_loads(path, page)]
        errors = texts[path].count("#&gt; Error") + texts[path].count('class="r-err')
        if errors != EXPECTED_ERRORS.get(name, 0):
            wrong.append(f"{name}: {errors} examples ended with an error")
    print(*wrong, f"{len(pages)} pages, {len(wrong)} wrong", sep="\n")
    sys.exit(bool(wrong))


def _wrong_links(path: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    wrong = []
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        place = unquote(parts.fragment)
        if not target.exists():
            wrong.append(f"no such page: {link}")
        elif place and target in pages and place not in pages[target].places:
            wrong.append(f"no such place: {link}")
    return wrong


def _wrong_loads(path: Path, page: Page) -> list[str]:
    wrong = []
    for link in page.loads:
        parts = urlsplit(link)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            wrong.append(f"loaded from a server: {link}")
        elif not (path.parent / unquote(parts.path)).exists():
            wrong.append(f"no such file: {link}")
    return wrong


if __name__ == "__main__":
    main(*sys.argv[1:])
