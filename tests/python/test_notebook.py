"""What a real notebook shows, run by Jupyter and exported to a page."""

from __future__ import annotations

import pytest
from checkpoint_files import put

nbclient = pytest.importorskip("nbclient")
nbconvert = pytest.importorskip("nbconvert")
pytest.importorskip("ipykernel")

CELLS = [
    "import modelcheckpoint",
    "found = modelcheckpoint.list_checkpoints('checkpoints')\nfound",
    "modelcheckpoint.verify_checkpoints('checkpoints')",
    "found[0].record",
]


@pytest.fixture
def notebook(tmp_path):
    """Return a notebook that was run next to a folder with two checkpoints."""
    from nbformat import v4

    (tmp_path / "checkpoints").mkdir()
    put(tmp_path / "checkpoints", b"x", "a_1_$x$.keras", value=0.5)
    put(tmp_path / "checkpoints", b"x", "<script>alert(1)<.keras", value=0.25)
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in CELLS])
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, kernel_name="python3", startup_timeout=600, resources=where
    ).execute()
    return notebook


def test_a_notebook_shows_tables(notebook):
    """Each of the three is a table, and has a text for use without HTML."""
    outputs = [cell.outputs for cell in notebook.cells[1:]]
    for (output,) in outputs:
        assert output.data["text/html"].startswith("<table")
        assert output.data["text/html"].endswith("</table>")
    texts = [output.data["text/plain"] for (output,) in outputs]
    assert texts[0].startswith("<2 checkpoints>")
    assert texts[1].endswith("2 good")
    assert texts[2].startswith("Record(")


def test_the_page_of_a_notebook(notebook):
    """It has the three tables, and a file's name cannot run a script."""
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    assert page.count('<table class="tex2jax_ignore mathjax_ignore">') == 3
    assert "&lt;script&gt;alert(1)&lt;.keras</td>" in page
    assert "<script>alert(1)" not in page
