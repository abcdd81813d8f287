"""Write the index for the site's search: search_index.py SITE.

Each section of each page is an entry. The search itself is elasticlunr, which pdoc
bundles.
"""

from __future__ import annotations

import json
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pdoc

LIBRARY = Path(pdoc.__file__).parent / "templates/resources/elasticlunr.min.js"
HEADINGS = ("h1", "h2", "h3")
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"}


class Sections(HTMLParser):
    """The sections of a page's `<main>`: place, title and text of each.

    A section begins at each heading and, in the Python reference, at each name.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sections: list[dict[str, str]] = []
        self.title = ""
        self._open: list[tuple[str, str]] = []
        self._in_heading = self._in_title = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a section if the tag starts one."""
        given = {name: value or "" for name, value in attrs}
        place = given.get("id", "")
        if tag not in VOID:
            self._open.append((tag, place if tag in ("div", "section") else ""))
        self._in_title |= tag == "title"
        if not self._inside("main"):
            return
        if tag in HEADINGS and not self._inside("section"):
            self._in_heading = True
            self._begin(place or next((p for _, p in self._open[::-1] if p), ""), "")
        elif tag == "section" and place:
            self._begin(place, place)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element, and the unclosed elements in it."""
        self._in_heading &= tag not in HEADINGS
        self._in_title &= tag != "title"
        while any(tag == name for name, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        """Add text to the current section."""
        if self._in_title:
            self.title += data
        hidden = any(self._inside(tag) for tag in ("script", "style", "svg", "nav"))
        if self.sections and self._inside("main") and not hidden:
            self.sections[-1]["title" if self._in_heading else "text"] += data

    def _inside(self, tag: str) -> bool:
        return any(tag == name for name, _ in self._open)

    def _begin(self, place: str, title: str) -> None:
        self.sections.append({"place": place, "title": title, "text": ""})


def entries(path: Path, site: Path) -> list[dict[str, str]]:
    """Return the search entries of a page."""
    page = Sections(path.read_text(encoding="utf-8"))
    name = path.relative_to(site).as_posix()
    found = []
    for section in page.sections:
        place = f"#{section['place']}" if section["place"] else ""
        entry = {"href": name + place, "page": _label(name, page.title)}
        entry |= {key: " ".join(section[key].split()) for key in ("title", "text")}
        found.append(entry)
    return found


def _label(name: str, title: str) -> str:
    """Return the name of a page that is shown with its sections."""
    if name.startswith("python/"):
        return "Python reference"
    title = title.partition(" • ")[0]
    if name.startswith("reference/") and " — " in title:
        return f"R reference: {title.rpartition(' — ')[2]}"
    return title


def main(folder: str) -> None:
    """Write the index and the library next to the pages."""
    site = Path(folder)
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")
    found = [entry for path in pages for entry in entries(path, site)]
    index = json.dumps(found, ensure_ascii=False, indent=0)
    (site / "search-index.js").write_text(f"const searchIndex = {index};\n", "utf-8")
    shutil.copy(LIBRARY, site)
    print(f"{len(found)} sections of {len(pages)} pages can be searched")


if __name__ == "__main__":
    main(*sys.argv[1:])
