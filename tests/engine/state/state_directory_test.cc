#include "engine/state/state_directory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/disk_syncs.h"
#include "tests/support/skip.h"
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

TEST_CASE("a directory of another user is refused by name, and nothing is left in it, unless any owner will do") {
  if (::geteuid() != 0) return test::skip("only root may give files away");
  constexpr uid_t kOther = 54321;  // who has no name
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/state";
  fs::create_directory(path);
  CHECK(StateDirectory::open(path).ok());
  REQUIRE(::chown(path.c_str(), kOther, kOther) == 0);
  const auto refused = StateDirectory::open(path);
  CHECK(refused.status().code() == StatusCode::kFailedPrecondition);
  for (const std::string& told :
       {path, std::string("belongs to uid 54321 and"), std::string("root (uid 0)"), std::string("state.any_owner")}) {
    INFO(told);
    CHECK(refused.status().message().find(told) != std::string::npos);
  }
  EngineOptions options;
  options.state_dir = path;
  options.state.free_bytes_min = 0;
  CHECK(Engine::open(options).status().code() == StatusCode::kFailedPrecondition);
  CHECK(fs::is_empty(path));

  options.state.any_owner = true;
  {
    const auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    REQUIRE((*engine)->close().ok());
  }
  // Files that are there say more than the directory: these are root's, in another user's directory.
  options.state.any_owner = false;
  CHECK(Engine::open(options).ok());
  // And these are another user's, in a directory of root.
  REQUIRE(::chown(path.c_str(), 0, 0) == 0);
  REQUIRE(::chown((path + "/state/OWNER").c_str(), kOther, kOther) == 0);
  CHECK(Engine::open(options).status().message().find("uid 54321") != std::string::npos);
}

/// Makes the process another user's until the scope ends.
class AsUser {
 public:
  explicit AsUser(uid_t user) { REQUIRE(::seteuid(user) == 0); }
  ~AsUser() { CHECK(::seteuid(0) == 0); }
};

TEST_CASE("whose a directory without files is matters to root alone: who may write in another's folder may use it") {
  if (::geteuid() != 0) return test::skip("only root may become another user");
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/state";
  fs::create_directory(path);
  fs::permissions(folder.path(), fs::perms{0711});
  fs::permissions(path, fs::perms{0777});
  const AsUser user(54321);
  const auto opened = StateDirectory::open(path);
  CHECK_MESSAGE(opened.ok(), opened.status().to_string());
}

std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

TEST_CASE("making and syncing directories leaves no file open") {
  const test::TemporaryFolder folder;
  const std::size_t before = open_files();
  const auto made = StateDirectory::open(folder / "a/b/c");
  REQUIRE(made.ok());
  REQUIRE(made->sync().ok());
  CHECK(open_files() == before);
}

TEST_CASE("a path that cannot be a directory is refused with its name") {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  std::ofstream(path) << "x";
  CHECK(StateDirectory::open("").status().code() == StatusCode::kInvalidArgument);
  const std::string remedy = "; name a directory, which is created where there is none, or move that out of the way";
  for (const std::string& refused : {path, path + "/", path + "/below", path + "/below/it"}) {
    CAPTURE(refused);
    const Status status = StateDirectory::open(refused).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message() == "state.dir: '" + path + "' is a file" + remedy);
  }
  CHECK(StateDirectory::open("/dev/null").status().message() == "state.dir: '/dev/null' is no directory" + remedy);
  fs::create_directory_symlink(folder.path(), folder / "link");
  CHECK(StateDirectory::open(folder / "link").ok());
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
