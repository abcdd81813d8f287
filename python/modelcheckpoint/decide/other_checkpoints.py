"""Which other checkpoints a folder has when none can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelcheckpoint.decide.matching import described
from modelcheckpoint.decide.naming import Template, same_names
from modelcheckpoint.records import Record, Removal

__all__ = ["Others", "others"]


@dataclass(frozen=True)
class Others:
    """Checkpoints from which a run cannot go on.

    Attributes:
        count: How many there are.
        newest: Name of the newest, of those that the template could have named if there
            are any.
        reason: Why a run cannot go on from it.
        loads: Whether it may be loaded by hand, as its format is what was looked for.
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
    """Return which checkpoints there are beside those of a template, or None.

    Args:
        files: Size of each file with the name of a checkpoint, and when it was written.
        entries: Of the journal, oldest first.
        template: Of the callback that found nothing to go on from.
        format: What its files hold.
    """
    if not files:
        return None
    sizes = {name: size for name, (size, _) in files.items()}
    known = {one.record.path: one.record for one in described(entries, sizes)}
    # By the journal's order, and before all others what it does not describe.
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
}
