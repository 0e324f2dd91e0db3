"""A copy of the checkout with a build folder of its own: where faults are planted, so that the checkout stays as it is."""

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

BUILD = "build"


class BuildError(Exception):
    """Something that has nothing to do with a fault does not build or run."""


# What a build is for; the launchers read it. FAULT: what the fault touches is compiled quickly, and a warning that it
# brings about (a variable without use) does not save the program from running with it. COVERAGE: what is compiled now
# counts its lines. A function of one line is often inlined before counters are planted, and would then have none.
FAULT, COVERAGE = "fault", "coverage"

# In front of each call of the compiler, and of the linker.
_COMPILE = """#!/bin/sh
case "$CAIRN_MUTANT" in
  fault) exec {ccache}"$@" -O1 -w ;;
  coverage) exec "$@" -O1 -fno-early-inlining -w --coverage ;;
esac
exec {ccache}"$@"
"""
_LINK = """#!/bin/sh
[ "$CAIRN_MUTANT" = coverage ] && exec "$@" --coverage -Wl,-u,__gcov_dump -Wl,-u,__gcov_reset
exec "$@"
"""


def files_of(root):
    """What belongs to a checkout: the files that git knows or would add; outside of git, all but build folders."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True
    )
    if listed.returncode == 0:
        names = listed.stdout.decode().split("\0")
    else:
        names = [str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file()]
    return sorted({name for name in names if name and not name.startswith(BUILD + "/") and os.path.lexists(Path(root, name))})


class Tree:
    """One copy. Used by one thread at a time."""

    def __init__(self, root, folder, preset, jobs):
        self.root, self.folder, self.preset, self.jobs = Path(root), Path(folder), preset, jobs
        # As deep below the sources as the checkout's own: compiler calls are then the same, and ccache knows them.
        self.build = self.folder / BUILD / preset

    def update(self):
        """Makes the copy equal to the checkout. Files that are equal already keep their times."""
        wanted = set(files_of(self.root))
        for name in wanted:
            source, copy = self.root / name, self.folder / name
            if source.is_symlink() or not copy.exists() or not filecmp.cmp(source, copy, shallow=False):
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.unlink(missing_ok=True)
                shutil.copy(source, copy, follow_symlinks=False)
        for path in self.folder.rglob("*"):
            name = str(path.relative_to(self.folder))
            if name.startswith(BUILD + "/") or path.is_dir() and not path.is_symlink():
                continue
            if name not in wanted:
                path.unlink()

    def configure(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        ccache = shutil.which("ccache")
        compile_with = self._script("compile", _COMPILE.format(ccache=f"{ccache} " if ccache else ""))
        link_with = self._script("link", _LINK)
        linkers = [name for name in ("mold", "lld", "gold") if shutil.which(f"ld.{name}") or shutil.which(name)]
        arguments = ["cmake", "--preset", self.preset, f"-DCMAKE_CXX_COMPILER_LAUNCHER={compile_with}",
                     f"-DCMAKE_CXX_LINKER_LAUNCHER={link_with}"]
        if linkers:
            arguments.append(f"-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld={linkers[0]}")
        done = subprocess.run(arguments, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise BuildError(f"cmake --preset {self.preset} failed in {self.folder}:\n{done.stdout}")

    def _script(self, name, text):
        path = self.folder / BUILD / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def make(self, targets, purpose="", seconds=None):
        """Builds targets. Returns: whether that worked, and what was printed."""
        environment = {"CCACHE_BASEDIR": str(self.folder)} | dict(os.environ)
        environment["CAIRN_MUTANT"] = purpose
        command = ["ninja", "-C", str(self.build), "-j", str(self.jobs), *targets]
        try:
            done = subprocess.run(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return False, f"not built within {seconds} s"
        return done.returncode == 0, done.stdout

    def note_counters(self, files):
        """Remembers which files are compiled with counters, also over the end of this process."""
        (self.folder / BUILD / "with_counters").write_text("\n".join(files))

    def with_counters(self):
        """The files whose compiled form has counters since a run that ended in its middle: no program links with them."""
        path = self.folder / BUILD / "with_counters"
        return [name for name in (path.read_text().split("\n") if path.exists() else []) if self.path(name).is_file()]

    def path(self, file):
        return self.folder / file
