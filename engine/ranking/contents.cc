#include "engine/ranking/contents.h"

#include <cstring>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "engine/state/keyed_hash.h"

namespace cairn::ranking {

namespace {

// Of no secret: what is wanted is that contents have the same hash everywhere.
constexpr state::Bits128 kKey{0x636f6e74656e7473, 0x6f665f6361697271};

template <class Number>
void add(std::string* bytes, const Number& number) {
  static_assert((std::is_trivially_copyable_v<Number> && std::has_unique_object_representations_v<Number>) ||
                std::is_floating_point_v<Number>);
  bytes->append(reinterpret_cast<const char*>(&number), sizeof number);
}

void add_text(std::string* bytes, std::string_view text) {
  add(bytes, std::uint64_t{text.size()});
  bytes->append(text);
}

/// Numbers of a struct that has nothing else.
template <class Numbers>
void add_numbers(std::string* bytes, const Numbers& numbers) {
  static_assert(std::is_trivially_copyable_v<Numbers> && sizeof(Numbers) % sizeof(double) == 0);
  bytes->append(reinterpret_cast<const char*>(&numbers), sizeof numbers);
}

void add_scalar(std::string* bytes, bool value) { bytes->push_back(value ? 'T' : 'F'); }
void add_scalar(std::string* bytes, double value) {
  bytes->push_back('n');
  add(bytes, value + 0.0);
}
void add_scalar(std::string* bytes, const std::string& value) {
  bytes->push_back('s');
  add_text(bytes, value);
}
void add_scalar(std::string* bytes, const std::vector<AttributeScalar>& values) {
  bytes->push_back('l');
  add(bytes, std::uint64_t{values.size()});
  for (const AttributeScalar& value : values) {
    std::visit([bytes](const auto& one) { add_scalar(bytes, one); }, value);
  }
}

/// Rows are in an order that is the same wherever the places are.
state::Bits128 hash_of(const PlaceIndex& index) {
  state::Bits128 sum;
  std::string bytes;
  for (std::uint32_t row = 0; row < index.size(); ++row) {
    const Place& place = index.place(row);
    bytes.clear();
    add_text(&bytes, place.id.str());
    add_text(&bytes, place.name);
    add_text(&bytes, place.category);
    add(&bytes, place.position.lat);
    add(&bytes, place.position.lon);
    for (const Attribute& attribute : place.attributes) {
      add_text(&bytes, attribute.name);
      std::visit([&bytes](const auto& value) { add_scalar(&bytes, value); }, attribute.value);
    }
    const state::Bits128 one = state::keyed_hash(kKey, bytes);
    sum.low += one.low;
    sum.high += one.high;
  }
  return sum;
}

/// What questions that say old names mean is part of what is answered.
state::Bits128 hash_of(const PlaceIndex::Renamed& renamed) {
  state::Bits128 sum;
  for (const auto& [old, now] : renamed) {
    std::string bytes;
    add_text(&bytes, old);
    add_text(&bytes, now);
    const state::Bits128 one = state::keyed_hash(kKey, bytes);
    sum.low += one.low;
    sum.high += one.high;
  }
  return sum;
}

}  // namespace

std::string describe_contents(const PlaceScan& places, const RankingOptions& options) {
  std::string bytes;
  const state::Bits128 index = hash_of(places.index());
  add(&bytes, std::uint64_t{places.index().size()});
  add(&bytes, index.low);
  add(&bytes, index.high);
  const state::Bits128 renamed = hash_of(places.index().renamed());
  add(&bytes, renamed.low);
  add(&bytes, renamed.high);
  add_text(&bytes, places.model() ? places.model()->model()->version() : "");
  const Ranker& ranker = *places.ranker();
  add(&bytes, ranker.version());
  add(&bytes, ranker.network_digest());
  add_numbers(&bytes, ranker.habit());
  add_numbers(&bytes, ranker.week());
  for (const auto weight : ranker.linear().weights()) add(&bytes, weight);
  add(&bytes, options.radius_meters_default);
  add(&bytes, options.radius_meters_max);
  add(&bytes, std::uint64_t{options.limit_max});
  add(&bytes, std::uint64_t{options.candidates_max});
  const state::Bits128 all = state::keyed_hash(kKey, bytes);
  std::string described;
  add(&described, all.low);
  add(&described, all.high);
  return described;
}

}  // namespace cairn::ranking
