"""Running tests on a fault: what is run in which order, for how long, and what came of it."""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tree import BuildError

_CASE = re.compile(r"^TEST CASE:\s*(.*)$", re.MULTILINE)
_BUILD_SECONDS_MAX = 600


@dataclass
class Step:
    """One run of a program: all of it, or a part of its cases."""

    program: object
    filters: tuple
    seconds: float = 0  # how long it takes without a fault

    @property
    def name(self):
        return self.program.name


def steps_of(programs, file):
    """The cases of FILE_test.cc come first where a program has that file: they know best, and are quick."""
    steps = []
    mirror = PurePosixPath(file).stem + "_test.cc"
    for program in programs:
        mirrored = any(PurePosixPath(source).name == mirror for source in program.sources)
        others = [s for s in program.sources if s.endswith("_test.cc") and PurePosixPath(s).name != mirror]
        if program.is_doctest and mirrored and others:
            steps.append(Step(program, (f"--source-file=*/{mirror}",)))
            steps.append(Step(program, (f"--source-file-exclude=*/{mirror}",)))
        else:
            steps.append(Step(program, ()))
    return steps


@dataclass
class Run:
    how: str  # passed, failed or hung
    seconds: float
    output: str

    @property
    def case(self):
        """The case that failed, where the output names one."""
        named = _CASE.findall(self.output)
        return named[-1].strip() if named else ""


def _bounded():
    """A fault may make a program ask for all memory, or fill the disk: it gets three quarters, and files of 16 GiB."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    for what, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_FSIZE, 1 << 34), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (min(most, hard) if hard != resource.RLIM_INFINITY else most, hard))


class Runner:
    """Runs the programs of one tree, with temporary files of their own that are gone after each run."""

    def __init__(self, tree, data):
        self.tree, self.data = tree, data
        self.scratch = tempfile.mkdtemp(prefix="cairn-mutate.")
        os.chmod(self.scratch, 0o711)  # a test's PostgreSQL runs as another user when root runs the tests

    def close(self):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, step, seconds_max):
        program = step.program
        command = list(program.command)
        if program.is_doctest:
            command += ["--abort-after=1", *step.filters]
        environment = dict(os.environ) | program.environment | {"TMPDIR": self.scratch}
        environment.pop("CAIRN_SKIP_CODE", None)  # what skips a case passes
        if self.data:
            environment.setdefault("CAIRN_DATA", self.data)
        begin = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, cwd=program.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_bounded)
            try:
                process.wait(seconds_max)
                how = "passed" if process.returncode == 0 else "failed"
            except subprocess.TimeoutExpired:
                how = "hung"
            finally:
                self._stop(process)
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - (1 << 20)))
            text = output.read().decode(errors="replace")
        self._empty_scratch()
        return Run(how, time.monotonic() - begin, text)

    def _stop(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def _empty_scratch(self):
        """Ends the servers that a test left in its folder, by their command lines, and removes what they wrote."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if self.scratch.encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        for path in Path(self.scratch).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class Bench:
    """A tree with its programs, ready to try faults. Used by one thread at a time."""

    def __init__(self, tree, programs, runner, limit):
        self.tree, self.programs, self.runner, self.limit = tree, programs, runner, limit

    def prepare(self, plans):
        """Builds what the plans (file -> steps) need, and runs it once without a fault. Raises BuildError."""
        steps = {(step.name, step.filters): step for plan in plans.values() for step in plan}
        built, output = self.tree.make(sorted({step.program.path for step in steps.values()}))
        if not built:
            raise BuildError("the tests do not build without a fault:\n" + output[-4000:])
        self.programs.learn_commands()
        for key in sorted(steps):
            run = self.runner.run(steps[key], self.limit or 1800)
            if run.how != "passed":
                raise BuildError(f"the test {key[0]} {run.how} without a fault:\n{run.output[-4000:]}")
            for plan in plans.values():
                for step in plan:
                    if (step.name, step.filters) == key:
                        step.seconds = run.seconds

    def seconds_max(self, step):
        """Far above what the machine's other work can add to a run."""
        return self.limit or 20 + 4 * step.seconds

    def judge(self, mutant, steps):
        """Plants the fault, runs the steps until one notices, and takes it out again. Returns: a record of it."""
        begin = time.monotonic()
        path = self.tree.path(mutant.file)
        source = path.read_text()
        record = {"outcome": "survived", "passed": [], "by": "", "case": "", "output": ""}
        try:
            path.write_text(mutant.applied_to(source))
            for step in steps:
                built, output = self.tree.make([step.program.path], with_fault=True, seconds=_BUILD_SECONDS_MAX)
                if not built:
                    record |= {"outcome": "not compiled", "output": output[-1000:]}
                    break
                run = self.runner.run(step, self.seconds_max(step))
                if run.how != "passed":
                    record |= {"outcome": "caught" if run.how == "failed" else "hung", "by": step.name, "case": run.case}
                    break
                if step.name not in record["passed"]:
                    record["passed"].append(step.name)
        finally:
            path.write_text(source)
        return record | {"seconds": round(time.monotonic() - begin, 2)}
