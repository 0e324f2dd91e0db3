"""Running tests on a fault: what is run in which order, for how long, and what came of it."""

import contextlib
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

from coverage import Coverage
from tree import COVERAGE, FAULT, BuildError

_CASE = re.compile(r"^TEST CASE:\s*(.*)$", re.MULTILINE)
_BUILD_SECONDS_MAX = 600
_QUICK_SECONDS = 0.5
_COUNTED = (".cc", ".cu")  # a header's lines are counted in some of the sources that take it in, and not in the tests
_LAST_WORDS_SECONDS = 10


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
        self.process, self.closed = None, False
        self.scratch = tempfile.mkdtemp(prefix="cairn-mutate.")
        os.chmod(self.scratch, 0o711)  # a test's PostgreSQL runs as another user when root runs the tests

    def close(self):
        """Ends what runs; the thread that waits for it gets an error."""
        self.closed = True
        if self.process is not None:
            self._stop(self.process)
        self._empty_scratch()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self, program, filters, seconds_max, variables=None):
        command = list(program.command)
        if program.is_doctest:
            command += ["--abort-after=1", *filters]
        environment = dict(os.environ) | program.environment | {"TMPDIR": self.scratch} | (variables or {})
        environment.pop("CAIRN_SKIP_CODE", None)  # what skips a case passes
        if self.data:
            environment.setdefault("CAIRN_DATA", self.data)
        begin = time.monotonic()
        with tempfile.TemporaryFile() as output:
            if self.closed:
                raise RuntimeError("ended")
            self.process = process = subprocess.Popen(
                command, cwd=program.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_bounded)
            try:
                process.wait(seconds_max)
                how = "passed" if process.returncode == 0 else "failed"
            except subprocess.TimeoutExpired:
                how = "hung"
            finally:
                self._stop(process)
                self.process = None
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - (1 << 20)))
            text = output.read().decode(errors="replace")
        self._empty_scratch()
        return Run(how, time.monotonic() - begin, text)

    def _stop(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _left(self):
        """The processes whose command lines name the folder."""
        left = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.scratch.encode() in (entry / "cmdline").read_bytes():
                    left.append(int(entry.name))
        return left

    def _empty_scratch(self):
        """Ends the servers that a test left in its folder, and removes what they wrote."""
        # A server's own watchdog stops it better than a kill: PostgreSQL then leaves no shared memory behind.
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while self._left() and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in Path(self.scratch).iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class Knowledge:
    """What is known of the programs from a run without a fault; all threads' benches share it."""

    def __init__(self):
        self.seconds = {}  # program -> of a whole run
        self.coverage = {}  # program -> Coverage, of those that count
        self.noticing = []  # (program, case), as they noticed faults, the newest last


class Bench:
    """A tree with its programs, ready to try faults. Used by one thread at a time."""

    def __init__(self, tree, programs, runner, limit, confirm):
        self.tree, self.programs, self.runner, self.limit, self.confirm = tree, programs, runner, limit, confirm
        self.known = Knowledge()

    def prepare(self, plans):
        """Builds what the plans (file -> programs) need, and runs it once without a fault. Raises BuildError."""
        needed = {program.name: program for plan in plans.values() for program in plan}
        counted = [file for file in plans if file.endswith(_COUNTED)]
        self._build(needed, self.tree.with_counters(), "")
        self.tree.note_counters(counted)
        self._build(needed, counted, COVERAGE)
        self.programs.learn_commands()
        for name, program in sorted(needed.items()):
            self._run_without_fault(program)
        self._build(needed, counted, "")
        self.tree.note_counters([])

    def _build(self, needed, touched, purpose):
        for file in touched:
            self.tree.path(file).touch()
        built, output = self.tree.make(sorted(program.path for program in needed.values()), purpose)
        if not built:
            raise BuildError("the tests do not build without a fault:\n" + output[-4000:])

    def _run_without_fault(self, program):
        counters = self.tree.folder / "build" / "counters" / program.name
        shutil.rmtree(counters, ignore_errors=True)
        counters.mkdir(parents=True)
        run = self.runner.run(program, (), self.limit or 1800, {"CAIRN_COVERAGE": str(counters)})
        if run.how != "passed":
            raise BuildError(f"the test {program.name} {run.how} without a fault:\n{run.output[-4000:]}")
        self.known.seconds[program.name] = run.seconds
        if program.is_doctest:
            self.known.coverage[program.name] = Coverage(counters, self.tree.folder)
        shutil.rmtree(counters, ignore_errors=True)

    def judge(self, mutant, programs):
        """Plants the fault, runs what may notice until something does, and takes it out again. Returns: a record of it."""
        begin = time.monotonic()
        path = self.tree.path(mutant.file)
        source = path.read_text()
        try:
            path.write_text(mutant.applied_to(source))
            record = self._judge_planted(mutant, programs)
        finally:
            path.write_text(source)
        return record | {"seconds": round(time.monotonic() - begin, 2)}

    def _judge_planted(self, mutant, programs):
        record = {"outcome": "survived", "passed": [], "by": "", "case": "", "output": ""}
        runs = [(program, self._runs(mutant, program)) for program in programs]
        for program, choices in runs:
            if not choices:
                continue
            built, output = self.tree.make([program.path], FAULT, _BUILD_SECONDS_MAX)
            if not built:
                return record | {"outcome": "not compiled", "output": output[-1000:]}
            for filters, seconds in choices:
                run = self.runner.run(program, filters, self.limit or 20 + 4 * seconds)
                if run.how != "passed":
                    self.known.noticing.append((program.name, run.case))
                    outcome = "caught" if run.how == "failed" else "hung"
                    return record | {"outcome": outcome, "by": program.name, "case": run.case}
            record["passed"].append(program.name)
        if not record["passed"] and not self.tree.make([programs[0].path], FAULT, _BUILD_SECONDS_MAX)[0]:
            record["outcome"] = "not compiled"
        return record

    def _runs(self, mutant, program):
        """What to run of a program, in this order: [(filters, seconds without a fault)]; nothing when no case runs the line.

        Of the cases that run the line: first those that noticed other faults lately, then the quick ones, then the slow
        ones. To confirm a survivor, all: a case may depend on a line that ran for another one, through what the program
        keeps.
        """
        whole = ((), self.known.seconds[program.name])
        coverage = self.known.coverage.get(program.name)
        if coverage is None or not coverage.cases:
            return [whole]
        counted = mutant.place == "line" and mutant.file.endswith(_COUNTED)
        running = coverage.running(mutant.file, mutant.line) if counted else None
        if running == []:
            return []
        mirror = PurePosixPath(mutant.file).stem + "_test.cc"
        chosen = running or [case for case in coverage.cases if PurePosixPath(case.file).name == mirror]
        lately = {case for name, case in self.known.noticing[-20:] if name == program.name}
        groups = [[], [], []]
        for case in chosen:
            groups[0 if case.name in lately else 1 if case.seconds < _QUICK_SECONDS else 2].append(case)
        runs = [(_only(group), sum(case.seconds for case in group)) for group in groups if group]
        return runs if running and not self.confirm else [*runs, whole]


def _only(cases):
    """The argument that lets a doctest program run these cases."""
    names = [case.name.replace("\\", "\\\\").replace(",", "\\,") for case in cases]
    return ("--test-case=" + ",".join(names),)
