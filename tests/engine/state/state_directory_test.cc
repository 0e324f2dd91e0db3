#include "engine/state/state_directory.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/support/disk_syncs.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using state::StateDirectory;
namespace fs = std::filesystem;

TEST_CASE("a state directory is made with its parents, and opened again as it is") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/a/b";
  const auto made = StateDirectory::open(path);
  REQUIRE(made.ok());
  CHECK(fs::is_directory(path));
  CHECK(made->store() == path + "/state");
  CHECK(made->event_log() == path + "/event-log");
  CHECK(made->dead_letters() == path + "/dead-letters.ndjson");
  CHECK(StateDirectory::open(path).ok());
}

TEST_CASE("a new state directory and its new parents are on the disk, under their names, when it is told of") {
  const test::TemporaryFolder folder;
  const test::DiskSyncs syncs;
  REQUIRE(StateDirectory::open(folder / "a/b").ok());
  CHECK(syncs.synced() == std::vector{folder.path(), folder / "a"});
  REQUIRE(StateDirectory::open(folder / "a/b").ok());  // there already
  CHECK(syncs.synced().size() == 2);
}

TEST_CASE("a path that cannot be a directory is refused with its name") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  std::ofstream(path) << "x";
  CHECK(StateDirectory::open("").status().code() == StatusCode::kInvalidArgument);
  const auto in_file = StateDirectory::open(path + "/below");
  CHECK(in_file.status().code() == StatusCode::kUnavailable);
  CHECK(in_file.status().message().find(path + "/below") != std::string::npos);
}

TEST_CASE("a copy goes into a new directory of an existing parent") {
  const test::TemporaryFolder folder;
  CHECK(StateDirectory::create_new(folder.path()).status().code() == StatusCode::kAlreadyExists);
  CHECK(StateDirectory::create_new(folder.path() + "/no/parent").status().code() == StatusCode::kInvalidArgument);
  const auto copy = StateDirectory::create_new(folder.path() + "/copy");
  REQUIRE(copy.ok());
  fs::create_directory(copy->event_log());
  std::ofstream(copy->event_log() + "/0") << "1234567";
  std::ofstream(copy->dead_letters()) << "123";
  CHECK(copy->bytes() == 10);
  copy->remove();
  CHECK_FALSE(fs::exists(folder.path() + "/copy"));
}

}  // namespace
