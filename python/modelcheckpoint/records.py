"""One saved checkpoint as a value, and as one line of the journal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Union

__all__ = ["SCHEMA", "Record"]

SCHEMA = 1
"""The newest form of a journal line that this version writes and understands."""

Number = Union[int, float]
Line = Union[str, bytes]

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
        samples: Samples that training had seen; None where they cannot be counted.
        logs: The numbers that Keras reported at that moment.
        monitor: Name of the monitored quantity.
        value: Its value, None where `logs` had none.
        mode: `"min"` or `"max"`: which direction of `monitor` is better.
        best: Whether this was the best checkpoint of its run so far.
        format: `"keras"`, `"weights.h5"`, `"hdf5"` or `"hdf5-weights"`.
        bytes: Size of the file.
        crc32: Checksum of the file, eight hexadecimal digits.
        time: When it was saved, UTC, ISO 8601.
        run: Identifier of the run that wrote it.
        template: `filepath` as the user gave it.
        versions: Versions of this package, Keras and the backend.
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

    def to_line(self) -> str:
        """Return the record as one line of JSON, without its newline."""
        content = _without_nan({"schema": SCHEMA, **asdict(self)})
        line = json.dumps(content, ensure_ascii=False, allow_nan=False)
        try:
            line.encode()
        except UnicodeEncodeError:  # a file's name that is not UTF-8
            line = json.dumps(content, allow_nan=False)
        return line

    @classmethod
    def from_line(cls, line: Line) -> Record | None:
        """Return the record that a line holds, or None where it holds none.

        A line that is torn, foreign, or of a newer schema is None, never an error:
        a reader must get past it.
        """
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict) or repr(content.get("schema")) != str(SCHEMA):
            return None
        if not all(name in content and _fits(name, content[name]) for name in _TYPES):
            return None
        known = {name: content[name] for name in _TYPES}
        known["value"] = _number(known.get("value"))
        known["logs"] = {str(k): _number(v) for k, v in known["logs"].items()}
        return cls(**known)


_TYPES: dict[str, tuple[type, ...]] = {
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


def _fits(name: str, value: Any) -> bool:
    allowed = _TYPES[name]
    if isinstance(value, bool) and bool not in allowed:
        return False
    return isinstance(value, allowed)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return value


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return _WORDS.get(value)
    return value if isinstance(value, (int, float)) else None
