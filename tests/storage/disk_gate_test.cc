#include "storage/disk_gate.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <string>

namespace cairn::storage {
namespace {

using std::chrono::milliseconds;

/// A disk whose free space the test decides, and which counts how often it was asked.
struct Disk {
  std::uint64_t free = 0;
  int asked = 0;
  FreeSpaceProbe probe() {
    return [this](const std::string&) -> Result<std::uint64_t> {
      ++asked;
      return free;
    };
  }
};

DiskGate gate_over(Disk& disk, std::uint64_t least, milliseconds interval = milliseconds(0)) {
  return DiskGate({.path = "/data", .free_bytes_min = least, .probe = disk.probe(), .probe_interval = interval});
}

TEST_CASE("the gate names path, free bytes, limit and remedy when it refuses") {
  Disk disk{.free = 799};
  DiskGate gate = gate_over(disk, 800);
  const Status refused = gate.admit(0);
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  for (const char* part : {"/data", "799 B free", "below 800 B", "free space", "resumes by itself"}) {
    INFO(part);
    CHECK(refused.message().find(part) != std::string::npos);
  }
}

TEST_CASE("a closed gate opens only when an eighth more than the limit is free") {
  Disk disk{.free = 800};
  DiskGate gate = gate_over(disk, 800);
  CHECK(gate.admit(0).ok());
  disk.free = 799;
  CHECK(!gate.admit(0).ok());
  disk.free = 899;
  CHECK(!gate.admit(0).ok());
  CHECK(!gate.read().status.ok());
  disk.free = 900;
  CHECK(gate.admit(0).ok());
  disk.free = 800;
  CHECK(gate.read().status.ok());
  CHECK(gate.read().free_bytes == 800);
}

TEST_CASE("a write that would eat into the reserve is refused") {
  Disk disk{.free = 1000};
  DiskGate gate = gate_over(disk, 800);
  CHECK(gate.admit(200).ok());
  CHECK(!gate.admit(201).ok());
}

TEST_CASE("between two probes the gate counts what it admitted") {
  Disk disk{.free = 1000};
  DiskGate gate = gate_over(disk, 800, milliseconds(std::chrono::hours(1)));
  CHECK(gate.admit(150).ok());
  CHECK(!gate.admit(51).ok());
  CHECK(disk.asked == 1);
}

TEST_CASE("the disk is asked again after a number of bytes, however short the time") {
  Disk disk{.free = std::uint64_t{1} << 40};
  DiskGate gate = gate_over(disk, 800, milliseconds(std::chrono::hours(1)));
  CHECK(gate.admit(DiskGate::kBytesPerProbe - 1).ok());
  CHECK(gate.admit(1).ok());
  CHECK(disk.asked == 1);
  CHECK(gate.admit(1).ok());
  CHECK(disk.asked == 2);
}

TEST_CASE("a held gate is shut whatever the disk says") {
  Disk disk{.free = 1u << 30};
  DiskGate gate = gate_over(disk, 800);
  gate.hold("a flush waits for space");
  CHECK(gate.held());
  CHECK(gate.admit(1).code() == StatusCode::kResourceExhausted);
  CHECK(gate.read().status.message() == "a flush waits for space");
  gate.release();
  CHECK(gate.admit(1).ok());
}

TEST_CASE("a limit beyond all numbers keeps the gate shut without overflowing") {
  Disk disk{.free = std::uint64_t{1} << 50};
  DiskGate gate = gate_over(disk, std::numeric_limits<std::uint64_t>::max());
  CHECK(!gate.admit(1).ok());
  CHECK(!gate.admit(std::numeric_limits<std::size_t>::max()).ok());
}

TEST_CASE("a disk that cannot be asked takes no writes") {
  DiskGate gate({.path = "/nowhere/at/all", .free_bytes_min = 0});
  const Status refused = gate.admit(1);
  CHECK(refused.code() == StatusCode::kUnavailable);
  CHECK(refused.message().find("/nowhere/at/all") != std::string::npos);
}

TEST_CASE("the free space of a real directory is a number") {
  const auto free = free_space("/tmp");
  REQUIRE(free.ok());
  CHECK(*free > 0);
}

TEST_CASE("a write that is too large for what is left says how large it is") {
  Disk disk{.free = 12u << 20};
  DiskGate gate = gate_over(disk, 1u << 20);
  const Status refused = gate.admit(20u << 20);
  CHECK(refused.code() == StatusCode::kResourceExhausted);
  CHECK(refused.message().find("has 12.0 MiB free, too little for a write of 20.0 MiB; writing stops below 1.0 MiB") !=
        std::string::npos);
}

}  // namespace
}  // namespace cairn::storage
