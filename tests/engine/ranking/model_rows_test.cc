#include "engine/ranking/model_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace cairn;
using ranking::ModelRows;
using ranking::PlaceIndex;
using Ids = std::vector<std::string>;
using Rows = std::vector<std::uint32_t>;

/// Places along a meridian, from south to north in the order of `ids`. The Hilbert curve does not keep that order.
PlaceIndex index_of(const Ids& ids) {
  std::vector<state::Catalog::Stored> places;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    places.push_back({i, 1, {PlaceId(ids[i]), "", {10.0 + 0.1 * static_cast<double>(i), 5.0}, ""}});
  }
  return PlaceIndex(std::move(places), features::Dictionary(), 1);
}

Rows column(std::span<const std::uint32_t> rows) { return {rows.begin(), rows.end()}; }

TEST_CASE("rows of places and rows of a model lead to each other by id") {
  const PlaceIndex index = index_of({"cafe", "zoo", "bar"});
  const Ids items = {"zoo", "gone", "cafe"};
  const ModelRows rows(index, items);
  CHECK(rows.model_row(index.row_of(0)) == 2);
  CHECK(rows.model_row(index.row_of(1)) == 0);
  CHECK(rows.model_row(index.row_of(2)) == gpu::kNoRow);
  CHECK(column(rows.place_rows()) == Rows{index.row_of(1), gpu::kNoRow, index.row_of(0)});
  CHECK(rows.place_row(0) == index.row_of(1));
  CHECK(rows.places_without_item() == 1);
  CHECK(rows.items_without_place() == 1);
}

TEST_CASE("a model and a catalogue that share nothing, or are empty, have no rows in common") {
  const ModelRows strangers(index_of({"a", "b"}), Ids{"c"});
  CHECK(column(strangers.model_rows()) == Rows{gpu::kNoRow, gpu::kNoRow});
  CHECK(column(strangers.place_rows()) == Rows{gpu::kNoRow});
  CHECK(strangers.places_without_item() == 2);
  CHECK(strangers.items_without_place() == 1);
  const ModelRows no_places(index_of({}), Ids{"a"});
  CHECK(no_places.model_rows().empty());
  CHECK(no_places.items_without_place() == 1);
  const ModelRows no_items(index_of({"a"}), Ids{});
  CHECK(no_items.place_rows().empty());
  CHECK(no_items.places_without_item() == 1);
}

TEST_CASE("both directions agree with a search by id, whatever the two sides know") {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    Ids all;
    for (int i = 0; i < 200; ++i) all.push_back("p" + std::to_string(i));
    const auto some = [&] {
      std::shuffle(all.begin(), all.end(), random);
      return Ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(random() % all.size()));
    };
    const PlaceIndex index = index_of(some());
    const Ids items = some();
    const ModelRows rows(index, items);
    std::size_t shared = 0;
    for (std::uint32_t place = 0; place < index.size(); ++place) {
      const auto found = std::find(items.begin(), items.end(), index.place(place).id.str());
      const bool known = found != items.end();
      REQUIRE(rows.model_row(place) == (known ? static_cast<std::uint32_t>(found - items.begin()) : gpu::kNoRow));
      if (known) REQUIRE(rows.place_row(rows.model_row(place)) == place);
      shared += known;
    }
    for (std::uint32_t item = 0; item < items.size(); ++item) {
      const std::uint32_t place = rows.place_row(item);
      if (place != gpu::kNoRow) REQUIRE(index.place(place).id.str() == items[item]);
    }
    CHECK(rows.places_without_item() == index.size() - shared);
    CHECK(rows.items_without_place() == items.size() - shared);
  }
}

}  // namespace
