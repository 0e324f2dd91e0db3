// What only the store in memory can be asked.

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "tests/contract/state_store_twins.h"

namespace cairn::storage {
namespace {

using namespace std::string_literals;

TEST_CASE("a checkpoint of the store in memory is one file with all rows in the bytes of its format") {
  const TempDir dir;
  const auto store = open_memory_store(add_counters);
  WriteBatch batch;
  batch.put(Family::kPlaces, std::string(300, 'k'), "value");
  batch.put(Family::kState, "key", "");
  must(store->write(std::move(batch), Durability::kBuffered));
  must(store->checkpoint(dir / "copy"));
  CHECK(dir.read("copy/MEMORY") ==
        "\0\x03\0\0\0key\0\0\0\0"
        "\x01\x16\0\0\0storage.format_version\x01\0\0\0"
        "2"
        "\x03\x2c\x01\0\0"s +
            std::string(300, 'k') + "\x05\0\0\0value"s);
}

}  // namespace
}  // namespace cairn::storage
