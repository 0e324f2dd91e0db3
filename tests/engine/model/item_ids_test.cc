#include "engine/model/item_ids.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace cairn::model;
using Ids = std::vector<std::string>;

TEST_CASE("ids that are numbers come before others, by value; the order is total") {
  const Ids sorted = {"0", "7", "10", "18446744073709551616", "", "-1", "007", "1a", "a", "ä"};
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (std::size_t j = 0; j < sorted.size(); ++j) {
      INFO(sorted[i], " before ", sorted[j]);
      CHECK(id_before(sorted[i], sorted[j]) == (i < j));
    }
  }
}

TEST_CASE("an id is found at its row, another one nowhere") {
  const Ids ids = {"7", "10", "", "a"};
  const IdIndex index(ids);
  CHECK(index.find("10") == 1);
  CHECK(index.find("") == 2);
  CHECK(index.find("b") == cairn::gpu::kNoRow);
  const Ids asked = {"a", "07", "7"};
  CHECK(index.find_all(asked) == std::vector<std::uint32_t>{3, cairn::gpu::kNoRow, 0});
  CHECK(IdIndex().find("") == cairn::gpu::kNoRow);
}

}  // namespace
