#include "engine/state/catalog.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/state/bytes.h"
#include "features/row.h"
#include "storage/state_store.h"
#include "storage/write_batch.h"

namespace {

using namespace cairn;
using state::ByteWriter;

/// A catalogue on a store that has one record of a place.
struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  features::Dictionary places;
  features::Dictionary categories;
  state::Catalog catalog{*store, places, categories};

  Status load(const std::string& bytes) {
    storage::WriteBatch batch;
    batch.put(storage::Family::kPlaces, "p", bytes);
    REQUIRE(store->write(batch, storage::Durability::kBuffered).ok());
    return catalog.load();
  }
};

/// A place as it was stored before there were attributes.
std::string old_form() {
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(std::uint64_t{7});
  out.number(52.5);
  out.number(13.4);
  out.text("name");
  out.text("cafe");
  return bytes;
}

/// What follows it in the new form: of a place that is not deleted, with one number.
std::string with_attribute(std::uint8_t form, std::uint8_t deleted, std::uint8_t kind) {
  std::string bytes = old_form();
  ByteWriter out(&bytes);
  out.integer(form);
  out.integer(deleted);
  out.integer(std::uint32_t{1});
  out.text("price");
  out.integer(kind);
  out.number(4.5);
  return bytes;
}

}  // namespace

TEST_CASE("a place that was stored before there were attributes reads as it is, deleted or not") {
  {
    Fixture f;
    REQUIRE(f.load(old_form()).ok());
    CHECK(*f.catalog.get(PlaceId("p")) == Place{PlaceId("p"), "name", {52.5, 13.4}, "cafe"});
    CHECK(f.catalog.version() == 7);
  }
  std::string deleted = old_form();
  ByteWriter out(&deleted);
  out.integer(std::uint64_t{1'714'564'800'000});
  out.integer(std::uint8_t{1});
  Fixture f;
  REQUIRE(f.load(deleted).ok());
  REQUIRE(f.catalog.newer_than(0).size() == 1);
  CHECK(f.catalog.newer_than(0)[0].deleted->history_erased);
}

TEST_CASE("a place without attributes is stored as it was before there were some") {
  Fixture f;
  const Place place{PlaceId("p"), "name", {52.5, 13.4}, "cafe"};
  for (int i = 0; i < 7; ++i) REQUIRE(f.catalog.upsert({&place, 1}).ok());
  CHECK(*f.store->get(storage::Family::kPlaces, "p") == old_form());
}

TEST_CASE("attributes are stored in the form that is written down, and what is no such form is damage") {
  {
    Fixture f;
    REQUIRE(f.load(with_attribute(2, 0, 2)).ok());
    CHECK(to_json(f.catalog.get(PlaceId("p"))->attributes) == R"({"price":4.5})");
  }
  for (const std::string& bytes : {with_attribute(3, 0, 2), with_attribute(2, 0, 9), with_attribute(2, 1, 2),
                                   with_attribute(2, 0, 2) + "x", with_attribute(2, 0, 2).substr(0, 45)}) {
    Fixture f;
    CHECK(f.load(bytes).code() == StatusCode::kDataLoss);
  }
}

TEST_CASE("what an import brings is brought into order and read back the same") {
  Fixture f;
  Place place{PlaceId("p"), "name", {52.5, 13.4}, "cafe"};
  place.attributes = {
      {"b", std::vector<AttributeScalar>{std::string("x"), 1.0, true}}, {"a", false}, {"c", std::string()}};
  REQUIRE(f.catalog.upsert({&place, 1}).ok());
  features::Dictionary places;
  features::Dictionary categories;
  state::Catalog again(*f.store, places, categories);
  REQUIRE(again.load().ok());
  CHECK(to_json(again.get(PlaceId("p"))->attributes) == R"({"a":false,"b":["x",1,true],"c":""})");
  CHECK(again.memory_bytes() > 0);
}
