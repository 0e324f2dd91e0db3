#include "storage/directory_owner.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "storage/owner_remark.h"
#include "tests/contract/state_store_twins.h"
#include "tests/support/skip.h"

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
  CHECK(message.find("choose another state.dir") != std::string::npos);
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

TEST_CASE("a path of another user is said to be that, with both users and the remedy") {
  TempDir dir;
  std::ofstream(dir / "file");
  const std::string us = std::to_string(::geteuid());
  CHECK(owner_remark(dir / "file").find("writable for uid " + us) != std::string::npos);
  if (::geteuid() != 0) return test::skip_part("only root can give a file away");
  REQUIRE(::chown((dir / "file").c_str(), 4321, 4321) == 0);
  for (const std::string& path : {dir / "file", dir / "file/below/it"}) {
    const std::string remark = owner_remark(path);
    CHECK(remark.find("is owned by uid 4321 and this process runs as uid " + us) != std::string::npos);
    CHECK(remark.find("chown -R " + us) != std::string::npos);
  }
}

}  // namespace
}  // namespace cairn::storage
