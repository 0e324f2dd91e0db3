#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/architecture/project_rules.h"

using namespace cairn::architecture;

namespace {

std::filesystem::path source_dir() {
  const char* dir = std::getenv("CAIRN_SOURCE_DIR");
  REQUIRE_MESSAGE(dir != nullptr, "run by ctest, or with CAIRN_SOURCE_DIR set to the project's root");
  return dir;
}

}  // namespace

TEST_CASE("every include of the project is an arrow that DESIGN has") {
  const auto violations = check_tree(source_dir(), project_rules());
  CHECK_MESSAGE(violations.empty(), "\n" << describe(violations));
}

TEST_CASE("neither rooms nor headers point at each other in a circle") {
  const auto violations = check_cycles(source_dir(), project_rules());
  CHECK_MESSAGE(violations.empty(), "\n" << describe(violations));
}

TEST_CASE("every folder of engine is a room with arrows of its own") {
  // What is named here is what DESIGN's map shows; the rules know each, and no file of engine is outside of them.
  const Rules rules = project_rules();
  for (const char* folder : {"engine", "engine/state", "engine/ingest", "engine/ranking", "engine/model",
                             "engine/learning", "engine/upkeep", "engine/config", "engine/serving"}) {
    const bool known =
        std::any_of(rules.rooms.begin(), rules.rooms.end(), [&](const Room& room) { return room.folder == folder; });
    CHECK_MESSAGE(known, folder);
  }
}

TEST_CASE("the check has read the project, not an empty folder") {
  const auto files = source_files(source_dir());
  for (const char* file :
       {"engine/include/cairn/status.h", "storage/state_store.h", "tests/architecture/tree_test.cc"}) {
    CHECK_MESSAGE(std::find(files.begin(), files.end(), file) != files.end(), file);
  }
}
