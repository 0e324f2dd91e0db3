"""tools/mutate: the faults it makes of a source, and a run on a tree of three files."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(os.environ.get("CAIRN_SOURCE_DIR") or Path(__file__).resolve().parents[3])
sys.path.insert(0, str(ROOT / "tools" / "mutate.d"))

import faults  # noqa: E402


def changes(source, mutator):
    """What a mutator makes of a source: "before -> after", of the lines it touches."""
    mutants = [m for m in faults.mutants_of("a.cc", source) if m.mutator == mutator]
    return [f"{m.before.strip()} -> {m.after.strip()}" for m in mutants]


def body(text):
    return "Status f(int a) {\n" + text + "\n}\n"


class Faults(unittest.TestCase):
    def test_a_relation_moves_its_bound_and_a_template_is_none(self):
        self.assertEqual(changes(body("if (a < 3) g();"), "relation"), ["if (a < 3) g(); -> if (a <= 3) g();"])
        self.assertEqual(changes(body("x = a != 3;"), "relation"), ["x = a != 3; -> x = a == 3;"])
        self.assertEqual(changes("std::vector<std::map<int, int>> f();", "relation"), [])
        self.assertEqual(changes("template <class T, class U = std::less<T>> bool operator<(T a, U b);", "relation"), [])

    def test_a_condition_is_turned_round(self):
        self.assertEqual(changes(body("if (auto s = f(); !s.ok()) g();"), "condition"),
                         ["if (auto s = f(); !s.ok()) g(); -> if (auto s = f(); !(!s.ok())) g();"])
        self.assertEqual(changes(body("while (more()) g();"), "condition"),
                         ["while (more()) g(); -> while (false && (more())) g();"])
        self.assertEqual(changes(body("x = a ? b(1) : c;"), "condition"), ["x = a ? b(1) : c; -> x = a ? c : b(1);"])
        self.assertEqual(changes(body("if (auto p = find()) g();"), "condition"), [])

    def test_logic_is_swapped_and_references_are_none(self):
        self.assertEqual(changes(body("x = a && b;"), "logic"), ["x = a && b; -> x = a || b;"])
        self.assertEqual(changes("void f(T&& x);", "logic"), [])

    def test_small_numbers_are_off_by_one_and_others_by_ten_per_cent(self):
        self.assertEqual(changes(body("x = 3u;"), "constant"), ["x = 3u; -> x = 4u;"])
        self.assertEqual(changes(body("x = 1'000;"), "constant"), ["x = 1'000; -> x = 1100;"])
        self.assertEqual(changes(body("x = 0.5f;"), "constant"), ["x = 0.5f; -> x = 0.55f;"])
        self.assertEqual(changes(body("x = 1e-9;"), "constant"), ["x = 1e-9; -> x = 1.1e-09;"])
        self.assertEqual(changes(body("x = true;"), "constant"), ["x = true; -> x = false;"])
        self.assertEqual(changes("class A { virtual void f() const = 0; };", "constant"), [])
        self.assertEqual(changes("enum class Code { kOk = 0, kBad = 1 };", "constant"), [])

    def test_arithmetic_is_changed_and_strings_are_not_added(self):
        self.assertEqual(changes(body("x = a + b;"), "arithmetic"), ["x = a + b; -> x = a - b;"])
        self.assertEqual(changes(body("x += a;"), "arithmetic"), ["x += a; -> x -= a;"])
        self.assertEqual(changes(body("x = -a;"), "sign"), ["x = -a; -> x = a;"])
        self.assertEqual(changes(body('x = "a" + b;\nout << a << b;\nfor (int i = a; i < b; ++i) g();'), "arithmetic"), [])

    def test_statements_are_dropped_and_declarations_are_not(self):
        self.assertEqual(changes(body("a.b->c(1);"), "dropped"), ["a.b->c(1); -> ;"])
        self.assertEqual(changes(body("x.y = 2;"), "dropped"), ["x.y = 2; -> ;"])
        self.assertEqual(changes(body("if (a) return b;"), "dropped"), ["if (a) return b; -> if (a) ;"])
        self.assertEqual(changes(body("const int x = 2;\nMutexLock lock(mutex);\nauto& y = z;\nreturn x;"), "dropped"), [])
        self.assertEqual(changes("class A {\n A(B);\n void f(C);\n};", "dropped"), [])

    def test_a_status_is_overlooked_and_a_failure_is_called_ok(self):
        self.assertEqual(changes(body("CAIRN_RETURN_IF_ERROR(g(a));"), "unchecked"),
                         ["CAIRN_RETURN_IF_ERROR(g(a)); -> static_cast<void>(g(a));"])
        self.assertEqual(changes(body('return invalid_argument("no" + a);'), "outcome"),
                         ['return invalid_argument("no" + a); -> return {};'])
        self.assertEqual(changes(body("return ok_status();"), "outcome"), [])

    def test_arguments_change_places_and_parameters_do_not(self):
        self.assertEqual(changes(body("return g(a, b.c);"), "arguments"), ["return g(a, b.c); -> return g(b.c, a);"])
        self.assertEqual(changes(body("return std::max(a, b);"), "arguments"), [])
        self.assertEqual(changes("void f(A a, B b) {}", "arguments"), [])

    def test_comments_strings_directives_logs_and_invariants_stay(self):
        source = body(
            "// if (a < 3)\n"
            "/* a == b */\n"
            'const char* x = "a < 3";\n'
            'auto y = R"(a == b && c)";\n'
            "#if A == 3\n"
            "#define B(x) \\\n  (x == 3)\n"
            "#endif\n"
            'log_.warning("x", text(a + 1));\n'
            "CAIRN_CHECK(a < 3);\n"
            "static_assert(a == 3);")
        self.assertEqual([m.after for m in faults.mutants_of("a.cc", source)], [])

    def test_what_only_brings_memory_near_stays(self):
        source = body(
            "for (int at = 0; at < 4; at += 2) __builtin_prefetch(x + at);\n"
            "table_.prefetch(keys[a + 12]);")
        self.assertEqual([m.after for m in faults.mutants_of("a.cc", source)], [])
        self.assertEqual(changes(body("for (int i = 0; i < n; ++i) add(i);"), "relation"),
                         ["for (int i = 0; i < n; ++i) add(i); -> for (int i = 0; i <= n; ++i) add(i);"])

    def test_what_the_compiler_alone_runs_stays(self):
        source = "constexpr bool differ() {\n  return a() != 3;\n}\nstatic_assert(differ(), \"they do\");\n"
        self.assertEqual(changes(source, "relation"), [])
        self.assertEqual(len(changes(source + "bool f() { return differ(); }\n", "relation")), 1)
        # What a header defines may be called elsewhere.
        self.assertEqual([m.after for m in faults.mutants_of("a.h", source) if m.mutator == "relation"],
                         ["  return a() == 3;"])

    def test_only_the_lines_asked_for_get_faults_and_ids_outlive_a_move(self):
        source = body("x = 1;\ny = 2;")
        self.assertEqual({m.line for m in faults.mutants_of("a.cc", source, {3})}, {3})
        moved = {m.id for m in faults.mutants_of("a.cc", "\n\n" + source)}
        self.assertEqual(moved, {m.id for m in faults.mutants_of("a.cc", source)})


TREE = {
    "CMakePresets.json": json.dumps({"version": 6, "configurePresets": [
        {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}",
         "cacheVariables": {"CMAKE_EXPORT_COMPILE_COMMANDS": "ON", "CMAKE_BUILD_TYPE": "Debug"}}]}),
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.25)\nproject(sample LANGUAGES CXX)\nenable_testing()\n"
                      "set(CMAKE_CXX_STANDARD 20)\nadd_library(sum STATIC room/sum.cc)\n"
                      f"add_executable(room_test tests/room/sum_test.cc {ROOT}/tests/doctest_main.cc)\n"
                      f"target_include_directories(sum PUBLIC . {ROOT})\ntarget_link_libraries(room_test sum)\n"
                      "add_test(NAME room COMMAND room_test)\n",
    "room/sum.h": "long sum_below(long end);\nint clamped(int value);\nint unused(int value);\nint fixed(int value);\n"
                  "int tripled(int value);\nint halved(int value);\n"
                  "inline int half(int value) { return value / 2; }\n"
                  "inline int doubled(int value) { return value + value; }\n",
    "room/sum.cc": '#include "room/sum.h"\n\n'
                   "long sum_below(long end) {\n  long sum = 0;\n  long i = 0;\n  while (i < end) {\n    sum += i;\n    ++i;\n  }\n"
                   "  return sum;\n}\n\n"
                   "int clamped(int value) {\n  if (value > 9) return 9;\n  return value;\n}\n\n"
                   "int unused(int value) { return value - 1; }\n"
                   "constexpr int kFixed = 5;\n"
                   "int fixed(int value) { return value + kFixed; }\n"
                   "struct Entry {\n  int (*value)(int);\n};\n"
                   "constexpr Entry kEntries[] = {\n    {[](int value) { return value * 3; }},\n};\n"
                   "int tripled(int value) { return kEntries[0].value(value); }\n"
                   "int halved(int value) { return half(value); }\n",
    # Notices everything about sum_below, and nothing at the bound of clamped.
    "tests/room/sum_test.cc": '#include <doctest/doctest.h>\n\n#include "room/sum.h"\n\n'
                              'TEST_CASE("a sum, of four") { CHECK(sum_below(4) == 6); }\n'
                              'TEST_CASE("clamped") { CHECK(clamped(3) == 3); CHECK(clamped(20) == 9); }\n'
                              'TEST_CASE("fixed") { CHECK(fixed(1) == 6); }\n'
                              'TEST_CASE("tripled") { CHECK(tripled(2) == 6); }\n'
                              'TEST_CASE("doubled") { CHECK(doubled(2) == 4); }\n',
}


def contents(folder):
    """file -> its bytes and its time, but for what the tool's own folder holds."""
    files = [path for path in folder.rglob("*") if path.is_file() and "build" not in path.relative_to(folder).parts]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


class Tree(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.tree = Path(self.scratch.name)
        for name, text in TREE.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def mutate(self, *arguments, wanted=(0, 1)):
        command = [str(ROOT / "tools" / "mutate"), "--tree", str(self.tree), "-o", "json", *arguments]
        done = subprocess.run(command, text=True, capture_output=True)
        self.assertIn(done.returncode, wanted, done.stderr)
        return done.returncode, json.loads(done.stdout or "[]"), done.stderr

    def test_what_no_test_notices_survives_and_the_tree_is_as_it_was(self):
        before = contents(self.tree)
        status, records, _ = self.mutate("room/sum.cc", "--mutators", "relation,arithmetic,dropped", "--limit", "5")
        found = {(r["line"], r["after"].strip()): r["outcome"] for r in records}
        self.assertEqual(found, {
            (6, "while (i <= end) {"): "caught",
            (7, "sum -= i;"): "caught",
            (7, ";"): "caught",
            (8, "--i;"): "hung",
            (14, "if (value >= 9) return 9;"): "survived",  # the same for every value
            (14, "if (value > 9) ;"): "caught",
            (18, "int unused(int value) { return value + 1; }"): "survived",
            (20, "int fixed(int value) { return value - kFixed; }"): "caught",
            (25, "{[](int value) { return value / 3; }},"): "caught",
        })
        self.assertEqual(status, 1)
        self.assertEqual([r["passed"] for r in records if r["outcome"] == "survived"], [["room"], []])
        self.assertEqual({r["case"] for r in records if r["outcome"] == "caught"}, {"a sum, of four", "clamped", "fixed", "tripled"})
        self.assertEqual(contents(self.tree), before)

        _, _, said = self.mutate("room/sum.cc", "--mutators", "relation,arithmetic,dropped", "--limit", "5", "--resume")
        self.assertIn("9 of 9 mutants are known", said)
        # A constant outside of functions: no line of code tells who depends on it.
        _, records, _ = self.mutate("room/sum.cc:19", "--limit", "5")
        self.assertEqual([(r["after"], r["case"]) for r in records], [("constexpr int kFixed = 6;", "fixed")])
        self.mutate("room/sum.cc", "--mutators", "relation", "--limit", "5", "--confirm")
        # A better test: the survivor is tried again, what was caught is not.
        test = self.tree / "tests/room/sum_test.cc"
        test.write_text(test.read_text().replace("clamped(20) == 9", "clamped(9) == 9"))
        _, records, said = self.mutate("room/sum.cc", "--mutators", "relation", "--limit", "5", "--resume")
        self.assertIn("1 of 2 mutants are known", said)

    def test_what_only_tests_call_of_a_header_is_noticed_although_a_source_with_counters_takes_the_header_in(self):
        _, records, _ = self.mutate("room/sum.cc:20", "room/sum.h:8", "--mutators", "arithmetic", "--limit", "5")
        self.assertEqual({(r["file"], r["case"]) for r in records}, {("room/sum.cc", "fixed"), ("room/sum.h", "doubled")})

    def test_a_test_that_fails_without_a_fault_is_told_and_the_next_run_is_as_any(self):
        test = self.tree / "tests/room/sum_test.cc"
        good = test.read_text()
        test.write_text(good.replace("clamped(3) == 3", "clamped(3) == 4"))
        status, _, said = self.mutate("room/sum.cc:20", wanted=(2,))
        self.assertIn("the test room failed without a fault", said)
        test.write_text(good)
        _, records, _ = self.mutate("room/sum.cc:20")
        self.assertEqual({r["outcome"] for r in records}, {"caught"})

    def test_changed_lines_alone_get_faults(self):
        def git(*words):
            subprocess.run(["git", "-C", str(self.tree), "-c", "user.name=a", "-c", "user.email=a@b", *words],
                           check=True, capture_output=True)

        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", "a")
        source = self.tree / "room/sum.cc"
        source.write_text(source.read_text().replace("value > 9", "value > 8"))
        _, records, _ = self.mutate("--changed", "--list")
        self.assertEqual({r["line"] for r in records}, {14})


if __name__ == "__main__":
    unittest.main(verbosity=2)
