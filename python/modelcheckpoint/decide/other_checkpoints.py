"""Describe the other checkpoints of a folder when none can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelcheckpoint.decide.matching import described
from modelcheckpoint.decide.naming import Template, same_names
from modelcheckpoint.records import Record, Removal

__all__ = ["Others", "others"]


@dataclass(frozen=True)
class Others:
    """Checkpoints from which a run cannot continue.

    Attributes:
        count: Their number.
        newest: Name of the newest, if possible of those that the template could have
            named.
        reason: Why a run cannot continue from it.
        loads: Whether users may load it themselves, because it has the right format.
        endangered: Whether the run may overwrite some of them.
    """

    count: int
    newest: str
    reason: str
    loads: bool
    endangered: bool


def others(
    files: Mapping[str, tuple[int, int]],
    entries: Iterable[Record | Removal],
    template: Template,
    format: str,
) -> Others | None:
    """Return the checkpoints of a folder from which no run can continue, or None.

    Args:
        files: Size and time of writing of each file with a checkpoint's name.
        entries: The entries of the journal, oldest first.
        template: The template of the callback, which found nothing to continue from.
        format: The format of its files.
    """
    if not files:
        return None
    sizes = {name: size for name, (size, _) in files.items()}
    known = {one.record.path: one.record for one in described(entries, sizes)}
    # In the journal's order, after the files that it does not describe.
    order = {name: place for place, name in enumerate(known)}
    names = sorted(files, key=lambda name: (order.get(name, -1), files[name][1]))
    own = [name for name in names if template.could_name(name)]
    unknown = [name for name in own if name not in known]
    newest = (unknown or own or names)[-1]
    record = known.get(newest)
    return Others(
        count=len(files),
        newest=newest,
        reason=_reason(record, template),
        loads=newest in own and (record is None or record.format == format),
        endangered=bool(own),
    )


def _reason(record: Record | None, template: Template) -> str:
    if record is None:
        return "it is not in the journal"
    if same_names(record.template, template.text):
        return f"it was saved as {_FORMATS.get(record.format, record.format)}"
    return f"it was saved as {record.template!r}"


_FORMATS = {
    "keras": "a .keras archive",
    "weights.h5": "weights in .weights.h5",
    "hdf5": "a full model in HDF5",
    "hdf5-weights": "weights alone in HDF5",
    "orbax": "a full model in .orbax",
    "orbax-weights": "weights in .orbax",
}
