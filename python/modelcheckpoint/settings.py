"""The callback's arguments after checking, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from modelcheckpoint.addresses import is_address
from modelcheckpoint.decide import arguments
from modelcheckpoint.decide.naming import Template
from modelcheckpoint.decide.retention import Keep
from modelcheckpoint.extras import check_extra
from modelcheckpoint.formats import Format, format_of
from modelcheckpoint.records import Record
from modelcheckpoint.storage import check_library
from modelcheckpoint.storage.names import TREES, is_tree

__all__ = ["ARGUMENTS", "Settings", "checked"]


@dataclass(frozen=True)
class Settings:
    """The arguments of `ModelCheckpoint`, each in its plain type.

    Attributes:
        counts_batches: Whether saves are due by batches or samples, not by epochs.
        watches_batches: Whether anything can happen at the end of a batch.
        template: `filepath`, ready to be filled.
        format: What the files hold.
    """

    filepath: str
    monitor: str
    verbose: int
    save_best_only: bool
    save_weights_only: bool
    mode: str
    period: int
    save_freq: int | str
    save_freq_unit: str
    initial_value_threshold: float | None
    on_error: str
    background: bool
    on_saved: Callable[[Record], Any] | None
    keep_latest: int | None
    keep_best: int | None
    keep_every: int | None
    save_seconds: float | None
    save_on_exit: bool
    resume: bool
    restore_best: bool
    counts_batches: bool
    watches_batches: bool
    template: Template
    format: Format

    @property
    def suffix(self) -> str:
        """The suffix of the files' names."""
        tail = self.template.tail
        return next(s for s in self.format.suffixes if tail.endswith(s))

    @property
    def why_batches(self) -> str:
        """The argument that needs batches to be watched, as the start of a sentence."""
        if self.counts_batches:
            return "`save_freq` as a number"
        return "`save_on_exit`" if self.save_seconds is None else "`save_seconds`"

    @property
    def unit(self) -> str:
        """What is counted between two saves: epochs, samples or batches."""
        return self.save_freq_unit if self.counts_batches else "epochs"

    @property
    def every(self) -> int:
        """How many of these units lie between two saves."""
        return int(self.save_freq if self.counts_batches else self.period)

    @property
    def interval(self) -> str:
        """The interval between two saves, as text."""
        counted = _counted(self.every, self.unit)
        if self.save_seconds is None:
            return counted
        return f"{counted} or {_counted(self.save_seconds, 'seconds')}"

    @property
    def keep(self) -> Keep:
        """Which checkpoints of the run are kept."""
        return Keep(self.keep_latest, self.keep_best, self.keep_every)


def _counted(number: float, units: str) -> str:
    if number == 1:
        units = "batch" if units == "batches" else units[:-1]
    return f"{number:g} {units}" if isinstance(number, float) else f"{number} {units}"


def checked(**given: Any) -> Settings:
    """Return the arguments of `ModelCheckpoint` as settings.

    Raises:
        ValueError: If one of them is invalid, or cannot be combined with another.
    """
    values = {name: rule(name, given[name]) for name, rule in _RULES.items()}
    path, only_best = values["filepath"], values["save_best_only"]
    arguments.last_is_saved(values["save_on_exit"], only_best)
    values["resume"] = arguments.flag("resume", given["resume"])
    counts = values["save_freq"] != "epoch"
    timed = values["save_seconds"] is not None
    watches = counts or timed or values["save_on_exit"]
    template = Template(path, watches)
    values["restore_best"] = arguments.restore_best(
        given["restore_best"], path, template.fields, only_best
    )
    format = format_of(path, template.tail, values["save_weights_only"])
    arguments.keeps_several(
        {name: values[name] for name in _KEEP}, path, template.fields
    )
    suffix = format.suffixes[0]
    arguments.no_folder_is_a_checkpoint(path, TREES)
    if is_tree(suffix):
        arguments.makes_folders(path, suffix, template.fields)
    # Checked last: installing a library would not make invalid arguments valid.
    if is_address(path):
        check_library(path)
    if format.extra is not None:
        check_extra(format.extra, f"`filepath` ends in {suffix}")
    return Settings(
        **values,
        counts_batches=counts,
        watches_batches=watches,
        template=template,
        format=format,
    )


_KEEP = ("keep_latest", "keep_best", "keep_every")

# In the order in which they are checked: the first invalid one is reported.
_RULES: dict[str, Callable[[str, Any], Any]] = {
    "filepath": arguments.path,
    "monitor": arguments.text,
    "verbose": arguments.verbosity,
    "save_best_only": arguments.flag,
    "save_weights_only": arguments.flag,
    "mode": partial(arguments.choice, options=("auto", "min", "max")),
    "period": lambda _, value: arguments.period(value),
    "save_freq": lambda _, value: arguments.save_freq(value),
    "save_freq_unit": partial(arguments.choice, options=("samples", "batches")),
    "initial_value_threshold": arguments.number_or_none,
    "on_error": partial(arguments.choice, options=("warn", "raise")),
    "background": arguments.flag,
    "on_saved": arguments.function_or_none,
    "keep_latest": arguments.count_or_none,
    "keep_best": arguments.count_or_none,
    "keep_every": arguments.count_or_none,
    "save_seconds": arguments.seconds_or_none,
    "save_on_exit": arguments.flag,
}

ARGUMENTS = frozenset([*_RULES, "resume", "restore_best"])
"""The names of all arguments."""
