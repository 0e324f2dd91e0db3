"""Which case of a test program runs which line. Test programs count by case themselves (tests/doctest_main.cc)."""

import bisect
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_AT_ONCE = 100


@dataclass
class Case:
    name: str
    file: str
    seconds: float
    lines: dict = field(default_factory=dict)  # source -> the lines that it ran


class Coverage:
    """What the cases of one program ran, as the program left it in a folder: one folder a case, "start" before the first."""

    def __init__(self, folder, tree_folder):
        self.cases, self.recorded = [], {}
        self.at_start = {}  # source -> lines that ran before any case
        counters = self._counters(Path(folder), Path(tree_folder))
        for entry in sorted(Path(folder).iterdir(), key=lambda path: (len(path.name), path.name)):
            lines = counters.get(entry.name, {})
            if entry.name == "start":
                self.at_start = lines
            elif (entry / "case").exists():
                name, file, seconds = (entry / "case").read_text().split("\t")
                self.cases.append(Case(name, file, float(seconds), lines))

    def _counters(self, folder, tree_folder):
        """case's folder -> source -> the lines that ran, as gcov reads the counters."""
        counts = {}
        files = []
        for path in folder.glob("*/**/*.gcda"):
            notes = Path("/", *path.relative_to(folder).parts[1:]).with_suffix(".gcno")
            if notes.exists():
                path.with_suffix(".gcno").symlink_to(notes)
                files.append(path)
        for begin in range(0, len(files), _AT_ONCE):
            some = files[begin : begin + _AT_ONCE]
            read = subprocess.run(["gcov", "--json-format", "--stdout", *map(str, some)], text=True, capture_output=True)
            for path, line in zip(some, read.stdout.splitlines()):
                self._take(json.loads(line), tree_folder, counts.setdefault(path.relative_to(folder).parts[0], {}))
        return counts

    def _take(self, read, tree_folder, lines):
        for file in read["files"]:
            name = os.path.relpath(os.path.join(read["current_working_directory"], file["file"]), tree_folder)
            if name.startswith(".."):
                continue
            self.recorded.setdefault(name, set()).update(line["line_number"] for line in file["lines"])
            lines.setdefault(name, set()).update(line["line_number"] for line in file["lines"] if line["count"] > 0)

    def running(self, file, line):
        """The cases that run a line; None where that is not known. A line of no code is as the one before it."""
        recorded = sorted(self.recorded.get(file, ()))
        at = bisect.bisect_right(recorded, line)
        if at == 0 or recorded[at - 1] in self.at_start.get(file, ()):
            return None
        return [case for case in self.cases if recorded[at - 1] in case.lines.get(file, ())]
