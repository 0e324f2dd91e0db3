"""The test programs of a build folder: which of them can notice a fault in a file, and which are about that file."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# Rooms of one level more: engine/ranking/score belongs to engine/ranking.
_HOUSES = ("engine", "tools")
_ADD_TEST = re.compile(r'^add_test\((?:\[=\[(?P<quoted>.*?)\]=\]|(?P<name>\S+)) "(?P<program>[^"]*)"', re.MULTILINE)
_OBJECT = re.compile(r"^(.*?)CMakeFiles/(.+?)\.dir/")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


@dataclass
class Program:
    name: str  # of ctest
    path: str  # from the build folder, which is ninja's name for it as well
    sources: list = field(default_factory=list)  # of the program itself, from the tree's root
    command: list = field(default_factory=list)  # known once it is built
    folder: str = ""
    environment: dict = field(default_factory=dict)

    @property
    def is_doctest(self):
        return any(source.endswith("doctest_main.cc") for source in self.sources)


def room_of(folder):
    """engine/ranking/score -> engine/ranking; storage/rocksdb -> storage."""
    parts = PurePosixPath(folder).parts
    return "/".join(parts[: 2 if parts[:1] and parts[0] in _HOUSES else 1])


def _room_of_test(tree, source):
    """The room that a test's source is about: that of the folder it mirrors."""
    folder = PurePosixPath(source).parent
    if not folder.parts or folder.parts[0] != "tests":
        return None
    folder = PurePosixPath(*folder.parts[1:]) if len(folder.parts) > 1 else PurePosixPath()
    while folder.parts and not (tree.folder / folder).is_dir():
        folder = folder.parent
    return room_of(folder) if folder.parts else None


class Programs:
    """All test programs of a configured tree."""

    def __init__(self, tree):
        self.tree = tree
        self.programs, seen = [], set()
        self._read_folder(tree.build, seen)
        self._objects = self._read_objects()
        for program in self.programs:
            folder, name = os.path.split(program.path)
            prefix = f"{folder}/CMakeFiles/{name}.dir/" if folder else f"CMakeFiles/{name}.dir/"
            program.sources = [source for target, source in self._objects if target.startswith(prefix)]
        self._includes = {}
        self._inputs = {}

    def _read_folder(self, folder, seen):
        listing = Path(folder, "CTestTestfile.cmake")
        if not listing.exists() or listing in seen:
            return
        seen.add(listing)
        text = listing.read_text()
        for match in _ADD_TEST.finditer(text):
            path = os.path.relpath(match["program"], self.tree.build)
            if not path.startswith(".."):
                self.programs.append(Program(match["quoted"] or match["name"], path))
        for match in re.finditer(r'^subdirs\("([^"]*)"\)', text, re.MULTILINE):
            self._read_folder(Path(folder, match[1]), seen)

    def _read_objects(self):
        commands = json.loads((self.tree.build / "compile_commands.json").read_text())
        objects = []
        for command in commands:
            words = shlex.split(command["command"])
            source = os.path.relpath(command["file"], self.tree.folder)
            objects.append((words[words.index("-o") + 1], source))
        return objects

    def including(self, file):
        """The sources that take in a file, through whatever headers."""
        if not self._includes:
            for name in self.tree_files():
                text = self.tree.path(name).read_text(errors="replace")
                self._includes[name] = {self._resolved(name, spelled) for spelled in _INCLUDE.findall(text)}
        reached, grown = {file}, True
        while grown:
            more = {name for name, taken in self._includes.items() if taken & reached} - reached
            reached |= more
            grown = bool(more)
        return reached

    def tree_files(self):
        for path in self.tree.folder.rglob("*"):
            name = path.relative_to(self.tree.folder).as_posix()
            if path.suffix in (".cc", ".h", ".cu", ".cuh", ".hpp", ".cpp") and not name.startswith("build/"):
                yield name

    def _resolved(self, name, spelled):
        for base in ("", "engine/include", str(PurePosixPath(name).parent)):
            candidate = os.path.normpath(os.path.join(base, spelled))
            if self.tree.path(candidate).is_file():
                return candidate
        return spelled

    def inputs_of(self, program):
        if program.path not in self._inputs:
            listed = subprocess.run(
                ["ninja", "-C", str(self.tree.build), "-t", "inputs", program.path], text=True, capture_output=True
            )
            lines = listed.stdout.splitlines()
            self._inputs[program.path] = {os.path.relpath(line, self.tree.folder) for line in lines if line.startswith("/")}
        return self._inputs[program.path]

    def noticing(self, file):
        """The programs with code of a file in them, or beside them as a program they run."""
        compiled = self.including(file) if not file.endswith(".cc") else {file}
        return [program for program in self.programs if self.inputs_of(program) & compiled]

    def about(self, file, wide=False):
        """The programs to judge a fault in a file: its room's, those that name it in their sources first.

        A file whose room has no programs is judged by those that include it, or else by all that have it in them.
        `wide` adds, at the end, all others that have it in them.
        """
        stem = str(PurePosixPath(file).with_suffix(""))
        header = stem + ".h"
        room = room_of(PurePosixPath(file).parent)

        def nearness(program):
            about_stem = any(PurePosixPath(s).stem == PurePosixPath(stem).name + "_test" for s in program.sources)
            deepest = max(
                (len(os.path.commonprefix([PurePosixPath("tests", file).parts, PurePosixPath(s).parts]))
                 for s in program.sources if s.endswith("_test.cc")), default=0)
            return (not about_stem, -deepest, len(program.sources))

        able = sorted(self.noticing(file), key=nearness)
        near = [p for p in able if any(_room_of_test(self.tree, s) == room for s in p.sources)]
        if not near:
            direct = {name for name, taken in self._includes_of_tests().items() if header in taken or file in taken}
            near = [p for p in able if direct & set(p.sources)]
        if not near:
            near = able
        return near + [p for p in able if wide and p not in near]

    def _includes_of_tests(self):
        self.including("")
        return {name: taken for name, taken in self._includes.items() if name.startswith("tests/")}

    def learn_commands(self):
        """Reads commands and environments of the programs that are built by now."""
        listed = subprocess.run(
            ["ctest", "--test-dir", str(self.tree.build), "--show-only=json-v1"], text=True, capture_output=True, check=True
        )
        known = {test["name"]: test for test in json.loads(listed.stdout)["tests"]}
        for program in self.programs:
            test = known.get(program.name, {})
            program.command = test.get("command", [])
            properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
            program.folder = properties.get("WORKING_DIRECTORY", str(self.tree.build))
            program.environment = dict(entry.split("=", 1) for entry in properties.get("ENVIRONMENT", []))
