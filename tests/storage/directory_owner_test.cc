#include "storage/directory_owner.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

TEST_CASE("the second owner is told who the first is and since when") {
  TempDir dir;
  auto first = DirectoryOwner::acquire(dir.path());
  REQUIRE(first.ok());
  const auto second = DirectoryOwner::acquire(dir.path());
  REQUIRE(second.status().code() == StatusCode::kFailedPrecondition);
  const std::string& message = second.status().message();
  CHECK(message.find(dir.path() + " is held by process " + std::to_string(::getpid()) + " since 2") !=
        std::string::npos);
  CHECK(message.find("choose another state_dir") != std::string::npos);
}

TEST_CASE("a directory is free again when its owner has gone, whatever the file says") {
  TempDir dir;
  std::ofstream(dir / "OWNER") << "process 1 since 1999-12-31T23:59:59Z, a much longer text than ours will ever be\n";
  {
    auto owner = DirectoryOwner::acquire(dir.path());
    REQUIRE(owner.ok());
    const DirectoryOwner moved = std::move(owner).value();
    CHECK(!DirectoryOwner::acquire(dir.path()).ok());
  }
  CHECK(DirectoryOwner::acquire(dir.path()).ok());
  std::string text;
  std::getline(std::ifstream(dir / "OWNER"), text);
  CHECK(text.starts_with("process " + std::to_string(::getpid()) + " since "));
  CHECK(text.ends_with("Z"));
}

TEST_CASE("a directory that cannot be written is refused by name") {
  const auto owner = DirectoryOwner::acquire("/proc");
  REQUIRE(owner.status().code() == StatusCode::kFailedPrecondition);
  CHECK(owner.status().message().find("/proc/OWNER") != std::string::npos);
}

}  // namespace
}  // namespace cairn::storage
