"""Prints a table of the power cuts, and of how often something was wrong.

    power_cut_table.py REPORT

REPORT has a line of JSON for each training, as test_power_cut_disk.py writes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FAULTS = {"": "", "files": ", no flush of files", "folders": ", no flush of folders"}


def table(lines):
    """Return the table, in Markdown: one row for each training and file system."""
    rows = [
        "| what was trained | file system | cuts | wrong | just after a report |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        cuts, bad = line["cuts"], line["bad"]
        scene = line["scene"] + (", resumed after a cut" if line["twice"] else "")
        scene += FAULTS[line["fault"]]
        counts = f"{sum(cuts.values())} | {sum(bad.values())}"
        after = f"{bad.get('reported', 0)} of {cuts.get('reported', 0)}"
        rows.append(f"| {scene} | {line['file_system']} | {counts} | {after} |")
    seeds = sorted({line["seed"] for line in lines})
    return "\n".join([*rows, "", f"MODELCHECKPOINT_SEED: {seeds}"])


if __name__ == "__main__":
    report = Path(sys.argv[1]).read_text("utf-8").splitlines()
    print(table([json.loads(line) for line in report]))
