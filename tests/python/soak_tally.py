"""What a soak has found so far, by kind of save; the next sitting continues it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

LONGEST = 0.6
"""The seconds within which a training is killed. A small model saves up to thirty times
meanwhile; to start the training takes as long."""

_HEAD = """\
# Kills of real training runs

`make soak KILLS={wanted}` trains small models with Keras, again and again in the same
folders, and kills each training with SIGKILL at a random moment, at most {longest}
seconds after its first save began or ended. After each kill, every file must be what
the journal says it is, and every checkpoint that was reported as saved must be there.
The next training loads each file with Keras, compares its weights, and continues to
save. If the command is stopped, the same command continues.

`best` is a fixed name that is overwritten. `{{slot}}` takes four values in turn, so
each file is overwritten, too. `{{moment}}` gives every save a new name, and the newest
two are kept. Each kind comes small and large, and is saved at the end of an epoch,
after every batch and after every third."""


@dataclass
class Tally:
    """Counts of one soak, however many sittings it takes.

    Attributes:
        wanted: How many kills there should be.
        seed: Of the first sitting.
        kills: By kind, how many there were.
        loaded: By kind, how many files Keras has loaded.
        wrong: What was wrong: its kind, after which kill, what, and where it is kept.
        seconds: How long all sittings took.
        sittings: How many there were.
    """

    wanted: int
    seed: int
    kills: dict = field(default_factory=dict)
    loaded: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)
    seconds: float = 0.0
    sittings: int = 0

    @property
    def done(self):
        return sum(self.kills.values())

    @classmethod
    def continued(cls, path, wanted, seed):
        """Return the unfinished tally of as many kills in a file, or a new one."""
        try:
            known = cls(**json.loads(Path(path).read_text("utf-8")))
        except FileNotFoundError:
            return cls(wanted, seed)
        is_other = known.wanted != wanted or known.done >= wanted
        return cls(wanted, seed) if is_other else known

    def keep(self, path):
        """Write it to a file, which is complete at any moment."""
        Path(f"{path}.new").write_text(json.dumps(asdict(self)), "utf-8")
        os.replace(f"{path}.new", path)

    def add(self, kind, loaded, wrong, folder, where):
        """Count a kill, and keep a copy of the folder if something was wrong.

        Args:
            kind: Of what was being saved.
            loaded: How many files were loaded.
            wrong: What was wrong, in sentences.
            folder: The folder that was trained into.
            where: The folder that gets the copy, as a subfolder.
        """
        self.kills[kind] = self.kills.get(kind, 0) + 1
        self.loaded[kind] = self.loaded.get(kind, 0) + loaded
        if wrong:
            copy = Path(where, f"seed-{self.seed}-kill-{self.done}")
            shutil.copytree(folder, copy, symlinks=True, dirs_exist_ok=True)
            told = {"kind": kind, "kill": self.done, "kept": str(copy)}
            self.wrong += [{**told, "what": what} for what in wrong]

    def report(self):
        """Return the results, in Markdown."""
        lines = [
            *_HEAD.format(wanted=self.wanted, longest=LONGEST).splitlines(),
            "",
            f"- kills: {self.done} of {self.wanted}",
            f"- problems: {len(self.wrong)}",
            f"- files loaded: {sum(self.loaded.values())}",
            f"- seed: {self.seed}",
            f"- minutes: {self.seconds / 60:.0f}",
            f"- sittings: {self.sittings}",
            "",
            "| what was saved | kills | files loaded | problems |",
            "|---|---|---|---|",
        ]
        for kind, kills in sorted(self.kills.items()):
            problems = sum(one["kind"] == kind for one in self.wrong)
            lines.append(f"| {kind} | {kills} | {self.loaded[kind]} | {problems} |")
        lines += ["", *map(_told, self.wrong)] if self.wrong else []
        return "\n".join(lines) + "\n"


def _told(wrong):
    return f"- {wrong['kind']}, kill {wrong['kill']}, {wrong['kept']}: {wrong['what']}"
