"""What is trained when the plug is pulled, and what must be there afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec

PRUNED = {"keep_latest": 2, "keep_best": 1}


@dataclass(frozen=True)
class Saver:
    """The arguments of one callback of a training.

    Attributes:
        name: Of the files; if it has a field, it has `moment`, so that each differs.
        arguments: Of `ModelCheckpoint`.
    """

    name: str
    arguments: dict = field(default_factory=dict)

    @property
    def is_fixed(self):
        """Whether all files have the same name."""
        return "{" not in self.name

    def owns(self, name):
        """Return whether a name is one of its files, or of the files it kept aside."""
        start, _, rest = self.name.partition("{moment:.0f}")
        if self.is_fixed:
            stem, dot, suffix = self.name.partition(".")
            aside = name.startswith(f"{stem}.run-") and name.endswith(dot + suffix)
            return name == self.name or aside
        return name.startswith(start) and name.endswith(rest)


@dataclass(frozen=True)
class Scene:
    """Trainings into one folder, one after the other, then `prune_checkpoints`.

    Attributes:
        width: Of the model; 1500 makes files of 9 MB, which are written straight to the
            disk and, if requested, while training goes on.
        savers: By their names.
        scores: The score of each epoch of each run; lower is better. The second run is
            worse than the first.
    """

    width: int
    savers: dict
    scores: tuple = ((3.0, 1.0, 2.0), (9.0, 8.0, 7.0))


def _savers(background):
    named = {
        "overwritten": Saver("last.keras", {"background": background}),
        "retained": Saver(
            "kept-{moment:.0f}.weights.h5",
            {"save_weights_only": True, "keep_latest": 2, "keep_best": 1},
        ),
        "best": Saver("best.h5", {"save_best_only": True, "background": False}),
        "often": Saver(
            "often-{moment:.0f}.hdf5",
            {"save_weights_only": True, "save_freq": 8, "background": background},
        ),
    }
    if find_spec("orbax"):
        named["trees"] = Saver("{moment:.0f}/tree.orbax", {"keep_latest": 2})
    return named


SCENES = {
    "small models": Scene(20, _savers(background=False)),
    "in the background": Scene(
        1500,
        {n: s for n, s in _savers(True).items() if n not in ("often", "trees")},
        scores=((1.0, 2.0), (9.0, 8.0)),
    ),
    "one callback": Scene(20, {"overwritten": Saver("last.keras")}),
    "retention": Scene(20, {"retained": _savers(True)["retained"]}),
    "Keras' own callback": Scene(20, {"overwritten": Saver("last.keras")}),
}


def broken(scene, said, later, found):
    """Yield what is not as promised, in sentences.

    Args:
        scene: What was trained.
        said: The marks before the cut, in order.
        later: The marks after it: what was being saved then may be there.
        found: The digest of each file that has a final name.
    """
    reports = [mark for mark in said if mark["what"] == "saved"]
    known = {digest(mark): mark for mark in [*said, *later] if mark["what"] == "saved"}
    there = {}
    for name, value in found.items():
        if value in known:
            there[name] = known[value]
        else:
            yield f"{name} is no version that was saved"
    for mark in said:
        if mark["what"] == "pruning":  # of what was there then
            pruned = [one for one in reports if [*digest(one)] in mark["there"]]
            yield from _lost(pruned, there, PRUNED["keep_latest"], best=True)
            return
    for key, saver in scene.savers.items():
        mine = [mark for mark in reports if mark["callback"] == key]
        files = {name: mark for name, mark in there.items() if saver.owns(name)}
        yield from _missing(saver, mine, files)


def digest(mark):
    """Return what distinguishes a version from every other one."""
    return mark["bytes"], mark["crc32"]


def _missing(saver, reports, files):
    arguments = saver.arguments
    best = arguments.get("save_best_only") or "keep_best" in arguments
    if saver.is_fixed:
        under = {n: mark for n, mark in files.items() if n == saver.name}
        yield from _lost(reports, under, 1, best=False)
        if best:
            yield from _lost(reports, files, 1, best=True)
        return
    # A later run must not delete what an earlier run has left.
    for run in {mark["run"] for mark in reports}:
        mine = [mark for mark in reports if mark["run"] == run]
        own = {name: mark for name, mark in files.items() if mark["run"] == run}
        yield from _lost(mine, own, arguments.get("keep_latest", len(mine)), best)


def _lost(reports, files, count, best):
    """Yield a sentence if too few of the newest, or of the best, are there."""
    if not reports:
        return
    moments = [mark["moment"] for mark in reports][-count:]
    newer = [name for name, m in files.items() if m["moment"] >= moments[0]]
    names = sorted(files)
    if len(newer) < len(moments):
        yield f"{reports[-1]['path']} was reported, the newest {moments}: {names}"
    value = min(mark["score"] for mark in reports)
    if best and not any(mark["score"] <= value for mark in files.values()):
        yield f"the best, {value}, was reported: {names}"
