#include <doctest/doctest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <string>

#include "tests/support/temporary_folder.h"

namespace {

using cairn::test::TemporaryFolder;

struct Outcome {
  int exit_code;  // -1: ended by a signal
  std::string output;
};

/// Runs the cases of the sample that match, in a shell with `variables` set. Its output goes through a pipe, as
/// ctest's.
Outcome run_sample(const std::string& cases, const std::string& variables) {
  const std::string command =
      "unset CAIRN_SKIPS CAIRN_SKIP_CODE; " + variables + " exec " SAMPLE_PATH " -tc='" + cases + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "re");
  REQUIRE(pipe != nullptr);
  Outcome outcome{};
  char buffer[4096];
  while (const std::size_t size = ::fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, size);
  const int status = ::pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

bool says(const Outcome& outcome, const char* text) { return outcome.output.find(text) != std::string::npos; }

TEST_CASE("a skip is in the output, in the file of skips and in the exit code, and a failure is still one") {
  const TemporaryFolder folder;
  const std::string wanted = "export CAIRN_SKIPS=" + folder / "skips" + " CAIRN_SKIP_CODE=77;";
  const Outcome skipped = run_sample("leaves out,passes", wanted);
  INFO(skipped.output);
  CHECK(skipped.exit_code == 77);
  CHECK(says(skipped, "SKIPPED: there is no such thing"));
  CHECK(says(skipped, "sample.cc:7"));
  CHECK(folder.read("skips") == "instruments_sample\tleaves out\tthere is no such thing\n");

  CHECK(run_sample("leaves out,fails", wanted).exit_code == 1);
  CHECK(run_sample("passes", wanted).exit_code == 0);
  CHECK(run_sample("leaves out", "").exit_code == 0);  // nobody asked
}

TEST_CASE("a case that does not end is ended, by its name, with what it had said and its stack") {
  const Outcome hung = run_sample("hangs", "export CAIRN_CASE_SECONDS=1;");
  INFO(hung.output);
  CHECK(hung.exit_code != 0);
  CHECK(says(hung, "said before"));
  CHECK(says(hung, "the case \"hangs\""));
  CHECK(says(hung, "has not ended within 1 s"));
  CHECK(says(hung, "instruments_sample"));  // in the frames of the stack
  CHECK(says(hung, "test case CRASHED"));
}

}  // namespace
