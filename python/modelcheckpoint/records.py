"""The journal's records of checkpoints, as values and as lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Union

from modelcheckpoint.display.html import fields_html

__all__ = ["SCHEMA", "Record", "Removal", "without_nan"]

SCHEMA = 1
"""The newest form of a journal line that this version writes and understands."""

Number = Union[int, float]
Line = Union[str, bytes]
Types = dict[str, tuple[type, ...]]

# JSON has no such numbers, and a bare NaN (which Python would write) stops other
# readers. R's jsonlite reads these three words as the numbers that they name.
_WORDS = {"NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}


@dataclass(frozen=True)
class Record:
    """One checkpoint, as the journal remembers it.

    Attributes:
        path: Name of the file, relative to the journal's folder, with `/`.
        epoch: Epoch in which it was saved, from 1.
        batch: Batch of that epoch, from 1; None when saved at the epoch's end by
            `save_freq="epoch"`.
        samples: Samples that training had seen; None if they cannot be counted.
        logs: The numbers that Keras reported at that moment.
        monitor: Name of the monitored quantity.
        value: Its value; None if `logs` had none.
        mode: `"min"` or `"max"`: which direction of `monitor` is better.
        best: Whether this was the best checkpoint of its run so far.
        format: `"keras"`, `"weights.h5"`, `"hdf5"`, `"hdf5-weights"`, `"orbax"` or
            `"orbax-weights"`.
        bytes: Size of the file; for a folder, the size of all its files.
        crc32: Checksum of the file, eight hexadecimal digits; for a folder, of the
            sorted lines `name size crc32` of its files.
        time: When it was saved, UTC, ISO 8601.
        run: Identifier of the run that wrote it.
        template: `filepath` as the user gave it.
        versions: Versions of this package, Keras and the backend.
        epochs_done: How many epochs were complete when it was saved. A line without
            this key was written at the epoch's end, unless it names a batch.
        since: The epochs, batches or samples since the last due save; None if the line
            does not say.
        seeds: The states of the model's seed generators, one after the other, which no
            format of Keras holds; None if the line does not say.
        random: The states of the backend's own random generators, packed (on Torch);
            else None.
        global_seed: The state of Keras' global seed generator, from which layers
            without a seed of their own draw; None if nothing has drawn from it.
        states: What stateful layers remember of earlier batches, packed; None if the
            model has no such layers, or the states are too large for a line.
        averaged: Whether the weights are averages, which Keras' SwapEMAWeights had put
            in place of the trained ones; None if the line does not say.
        build: What Keras needs to build the model before weights are loaded; None if
            that is not known.
        optimizer: What identifies the optimizer whose state the file holds
            (`observe.optimizer`); None if the model had none, and in lines of earlier
            versions.
        kept_by: The run that kept this file under a second name, before another
            checkpoint took its first; None for a checkpoint under its own name, and in
            lines of earlier versions.
    """

    path: str
    epoch: int
    batch: int | None
    samples: int | None
    logs: Mapping[str, Number]
    monitor: str
    value: Number | None
    mode: str
    best: bool
    format: str
    bytes: int
    crc32: str
    time: str
    run: str
    template: str
    versions: Mapping[str, str] = field(default_factory=dict)
    epochs_done: int = None  # type: ignore[assignment]  # never, see below
    since: int | None = None
    seeds: tuple[int, ...] | None = None
    random: Mapping[str, str] | None = None
    global_seed: tuple[int, ...] | None = None
    states: str | None = None
    averaged: bool | None = None
    build: Mapping[str, Any] | None = None
    optimizer: Mapping[str, Any] | None = None
    kept_by: str | None = None

    def __post_init__(self) -> None:
        """Derive values that lines of earlier versions lack."""
        if getattr(self, "epochs_done", None) is None:
            done = self.epoch if self.batch is None else max(self.epoch - 1, 0)
            object.__setattr__(self, "epochs_done", done)

    def _repr_html_(self) -> str:
        return fields_html(vars(self), self.path)

    def to_line(self) -> str:
        """Return the record as one line of JSON, without its newline."""
        return _line(asdict(self))

    @classmethod
    def from_line(cls, line: Line) -> Record | None:
        """Return the record in a line, or None if it contains none.

        A torn or foreign line, or one of a newer schema, gives None, never an error: a
        reader must get past it.
        """
        content = _content(line)
        known = _known(content, _TYPES)
        if known is None:
            return None
        known["value"] = _number(known.get("value"))
        known["logs"] = {str(k): _number(v) for k, v in known["logs"].items()}
        return cls(**known, **_optional(content, known["epoch"]))


@dataclass(frozen=True)
class Removal:
    """A line saying that a file was deleted, or never came, so it is not missing.

    Attributes:
        removed: Name of the file, as in its record.
        bytes: Its size, as in its record.
        crc32: Its checksum, as in its record.
        run: Identifier of the run that wrote it.
        never_came: Whether the file never existed; the previous one still does.
        time: When the line was written, as in a record; empty in lines of earlier
            versions.
    """

    removed: str
    bytes: int
    crc32: str
    run: str
    never_came: bool = field(default=False, compare=False)
    time: str = field(default="", compare=False)

    @classmethod
    def of(cls, record: Record, never_came: bool = False, time: str = "") -> Removal:
        """Return the removal of the file that a record describes."""
        return cls(
            record.path, record.bytes, record.crc32, record.run, never_came, time
        )

    def to_line(self) -> str:
        """Return the removal as one line of JSON, without its newline."""
        return _line(asdict(self))

    @classmethod
    def from_line(cls, line: Line) -> Removal | None:
        """Return the removal in a line, or None if it contains none."""
        content = _content(line)
        known = _known(content, _REMOVAL_TYPES)
        if known is None:
            return None
        time = content.get("time")
        return cls(
            **known,
            never_came=content.get("never_came") is True,
            time=time if isinstance(time, str) else "",
        )


def _line(values: dict[str, Any]) -> str:
    content = without_nan({"schema": SCHEMA, **values})
    line = json.dumps(content, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        line = json.dumps(content, allow_nan=False)
    return line


def _content(line: Line) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _known(content: Any, types: Types) -> dict[str, Any] | None:
    if not isinstance(content, dict) or repr(content.get("schema")) != str(SCHEMA):
        return None
    if not all(n in content and _fits(types[n], content[n]) for n in types):
        return None
    return {name: content[name] for name in types}


def _optional(content: dict[str, Any], epoch: int) -> dict[str, Any]:
    """Return the valid optional values of a line.

    An invalid value counts as absent: the checkpoint is good without it.
    """
    found = {
        name: content[name]
        for name, types in _OPTIONAL.items()
        if name in content and _fits(types, content[name])
    }
    if not 0 <= found.get("epochs_done", -1) <= epoch:
        found.pop("epochs_done", None)
    if found.get("since", 0) < 0:
        del found["since"]
    if not _is_optimizer(found.get("optimizer")):
        found.pop("optimizer", None)
    for name in ("seeds", "global_seed"):
        seeds = found.pop(name, None)
        if seeds is not None and all(_fits((int,), seed) for seed in seeds):
            found[name] = tuple(seeds)
    return found


_TYPES: Types = {
    "path": (str,),
    "epoch": (int,),
    "batch": (int, type(None)),
    "samples": (int, type(None)),
    "logs": (dict,),
    "monitor": (str,),
    "value": (int, float, str, type(None)),
    "mode": (str,),
    "best": (bool,),
    "format": (str,),
    "bytes": (int,),
    "crc32": (str,),
    "time": (str,),
    "run": (str,),
    "template": (str,),
    "versions": (dict,),
}
_OPTIONAL: Types = {
    "epochs_done": (int,),
    "since": (int,),
    "seeds": (list,),
    "random": (dict,),
    "global_seed": (list,),
    "states": (str,),
    "averaged": (bool,),
    "build": (dict,),
    "optimizer": (dict,),
    "kept_by": (str,),
}
_REMOVAL_TYPES: Types = {
    "removed": (str,),
    "bytes": (int,),
    "crc32": (str,),
    "run": (str,),
}


def _is_optimizer(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("trains"), (str, type(None)))
        and isinstance(value.get("options"), list)
        and all(isinstance(option, str) for option in value["options"])
    )


def _fits(allowed: tuple[type, ...], value: Any) -> bool:
    if isinstance(value, bool) and bool not in allowed:
        return False
    return isinstance(value, allowed)


def without_nan(value: Any) -> Any:
    """Return a value with words for the numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return value


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return _WORDS.get(value)
    if not isinstance(value, (int, float)):
        return None
    try:
        float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf
    return value
