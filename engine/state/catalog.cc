#include "engine/state/catalog.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <variant>

#include "cairn/kill_point.h"
#include "engine/state/bytes.h"
#include "engine/state/keys.h"

namespace cairn::state {

namespace {

/// Of the form of a stored place that has attributes. Without any it has the form of before there were some, which ends
/// behind the category or behind the 9 bytes of a deletion.
constexpr std::uint8_t kWithAttributes = 2;

enum class StoredValue : std::uint8_t { kFalse, kTrue, kNumber, kText, kList };

void write_scalar(const AttributeScalar& value, ByteWriter* out) {
  if (const auto* flag = std::get_if<bool>(&value)) {
    out->integer(static_cast<std::uint8_t>(*flag ? StoredValue::kTrue : StoredValue::kFalse));
  } else if (const auto* number = std::get_if<double>(&value)) {
    out->integer(static_cast<std::uint8_t>(StoredValue::kNumber));
    out->number(*number);
  } else {
    out->integer(static_cast<std::uint8_t>(StoredValue::kText));
    out->text(std::get<std::string>(value));
  }
}

void write_attributes(const Attributes& attributes, ByteWriter* out) {
  out->integer(static_cast<std::uint32_t>(attributes.size()));
  for (const Attribute& attribute : attributes) {
    out->text(attribute.name);
    if (const auto* list = std::get_if<std::vector<AttributeScalar>>(&attribute.value)) {
      out->integer(static_cast<std::uint8_t>(StoredValue::kList));
      out->integer(static_cast<std::uint32_t>(list->size()));
      for (const AttributeScalar& one : *list) write_scalar(one, out);
    } else if (const auto* flag = std::get_if<bool>(&attribute.value)) {
      write_scalar(*flag, out);
    } else if (const auto* number = std::get_if<double>(&attribute.value)) {
      write_scalar(*number, out);
    } else {
      write_scalar(std::get<std::string>(attribute.value), out);
    }
  }
}

bool read_scalar(std::uint8_t kind, ByteReader* in, AttributeScalar* value) {
  switch (static_cast<StoredValue>(kind)) {
    case StoredValue::kFalse:
    case StoredValue::kTrue:
      *value = static_cast<StoredValue>(kind) == StoredValue::kTrue;
      return true;
    case StoredValue::kNumber:
      *value = in->number();
      return std::isfinite(std::get<double>(*value));
    case StoredValue::kText:
      *value = std::string(in->text());
      return true;
    case StoredValue::kList:
      break;
  }
  return false;
}

bool read_attributes(ByteReader* in, Attributes* attributes) {
  const auto count = in->integer<std::uint32_t>();
  if (count > kAttributesMax) return false;
  std::vector<Attribute>& all = attributes->edit();
  for (std::uint32_t i = 0; i < count && in->ok(); ++i) {
    Attribute& attribute = all.emplace_back();
    attribute.name = in->text();
    if (i > 0 && all[i - 1].name >= attribute.name) return false;
    const auto kind = in->integer<std::uint8_t>();
    AttributeScalar value;
    if (kind == static_cast<std::uint8_t>(StoredValue::kList)) {
      const auto size = in->integer<std::uint32_t>();
      if (size > kAttributesBytesMax) return false;
      std::vector<AttributeScalar> list;
      for (std::uint32_t k = 0; k < size && in->ok(); ++k) {
        if (!read_scalar(in->integer<std::uint8_t>(), in, &value)) return false;
        list.push_back(std::move(value));
      }
      attribute.value = std::move(list);
    } else {
      if (!read_scalar(kind, in, &value)) return false;
      std::visit([&attribute](auto& scalar) { attribute.value = std::move(scalar); }, value);
    }
  }
  return in->ok();
}

std::string encode_place(const Catalog::Stored& stored) {
  std::string bytes;
  ByteWriter out(&bytes);
  out.integer(stored.version);
  out.number(stored.place.position.lat);
  out.number(stored.place.position.lon);
  out.text(stored.place.name);
  out.text(stored.place.category);
  const bool has_attributes = !stored.place.attributes.empty();
  if (has_attributes) {
    out.integer(kWithAttributes);
    out.integer(static_cast<std::uint8_t>(stored.deleted.has_value()));
  }
  if (stored.deleted) {
    out.integer(static_cast<std::uint64_t>(to_ms(stored.deleted->at)));
    out.integer(static_cast<std::uint8_t>(stored.deleted->history_erased));
  }
  if (has_attributes) write_attributes(stored.place.attributes, &out);
  return bytes;
}

bool decode_place(std::string_view key, std::string_view bytes, Catalog::Stored* stored) {
  ByteReader in(bytes);
  stored->version = in.integer<std::uint64_t>();
  stored->place.position.lat = in.number();
  stored->place.position.lon = in.number();
  stored->place.name = in.text();
  stored->place.category = in.text();
  stored->place.id = PlaceId(key);
  constexpr std::size_t kDeletionBytes = 9;
  const bool has_attributes = in.left() != 0 && in.left() != kDeletionBytes;
  bool deleted = in.left() == kDeletionBytes;
  if (has_attributes) {
    if (in.integer<std::uint8_t>() != kWithAttributes) return false;
    deleted = in.integer<std::uint8_t>() == 1;
  }
  if (deleted) {
    const EventTime at = event_time_from_ms(static_cast<std::int64_t>(in.integer<std::uint64_t>()));
    const auto erased = in.integer<std::uint8_t>();
    if (erased > 1) return false;
    stored->deleted = {at, erased == 1};
  }
  if (has_attributes && !read_attributes(&in, &stored->place.attributes)) return false;
  return in.complete() && valid_position(stored->place.position);
}

/// What a text takes beside its object: short ones lie inside.
std::size_t text_bytes(const std::string& text) { return text.capacity() > 15 ? text.capacity() + 1 : 0; }
std::size_t bytes_of(const Attributes& attributes) {
  std::size_t bytes = attributes.size() * sizeof(Attribute);
  for (const Attribute& attribute : attributes) {
    bytes += text_bytes(attribute.name);
    if (const auto* text = std::get_if<std::string>(&attribute.value)) bytes += text_bytes(*text);
    if (const auto* list = std::get_if<std::vector<AttributeScalar>>(&attribute.value)) {
      bytes += list->size() * sizeof(AttributeScalar);
      for (const AttributeScalar& one : *list) {
        if (const auto* text = std::get_if<std::string>(&one)) bytes += text_bytes(*text);
      }
    }
  }
  return bytes;
}
std::size_t text_bytes(const Place& place) {
  return text_bytes(place.id.str()) + text_bytes(place.name) + text_bytes(place.category) + bytes_of(place.attributes);
}

/// Brings its attributes into order, too.
Status check_place(const features::AttributeRules& rules, std::size_t index, Place* checked) {
  const Place& place = *checked;
  const auto bad = [&](const std::string& what) {
    return invalid_argument("place " + std::to_string(index) + " ('" + place.id.str().substr(0, kIdBytesMax) +
                            "'): " + what);
  };
  if (!valid_id(place.id.str())) return bad("place_id must have 1 to 128 bytes and no NUL");
  if (!valid_position(place.position)) return bad("lat must be in [-90, 90] and lon in [-180, 180]");
  if (place.name.size() > 1024 || place.name.find('\0') != std::string::npos) {
    return bad("name must have at most 1,024 bytes and no NUL");
  }
  if (place.category.size() > kIdBytesMax || place.category.find('\0') != std::string::npos) {
    return bad("category must have at most 128 bytes and no NUL");
  }
  if (const Status attributes = rules.conform(&checked->attributes); !attributes.ok()) return bad(attributes.message());
  return ok_status();
}

}  // namespace

Status Catalog::load() {
  {
    const WriterLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(names_.load(store_));
    any_renamed_.store(!names_.empty(), std::memory_order_release);
    CAIRN_RETURN_IF_ERROR(past_.load(store_));
  }
  Status damaged;
  CAIRN_RETURN_IF_ERROR(store_.scan(storage::Family::kPlaces, "", [&](std::string_view key, std::string_view value) {
    Stored stored;
    if (!decode_place(key, value, &stored)) {
      damaged = data_loss("the stored place '" + std::string(key) + "' cannot be read; restore a checkpoint");
      return false;
    }
    stored.id = place_ids_.intern(key);
    attributes_.conform_stored(&stored.place.attributes);
    const WriterLock lock(mutex_);
    keep(std::move(stored));
    return true;
  }));
  return damaged;
}

Status Catalog::upsert(std::span<const Place> places) {
  if (places.empty()) return ok_status();
  std::vector<Stored> stored;
  stored.reserve(places.size());
  for (const Place& place : places) {
    Stored& one = stored.emplace_back(Stored{.place = place});
    CAIRN_RETURN_IF_ERROR(check_place(attributes_, stored.size() - 1, &one.place));
  }
  const MutexLock one_at_a_time(upsert_mutex_);
  if (any_renamed()) {
    const ReaderLock lock(mutex_);
    for (Stored& one : stored) one.place.category = names_.name_now(one.place.category);
  }
  return write(std::move(stored), version() + 1);
}

Status Catalog::remove(std::span<const PlaceId> ids, PlaceHistory history, EventTime now) {
  const MutexLock one_at_a_time(upsert_mutex_);
  CAIRN_ASSIGN_OR_RETURN(std::vector<Stored> gone, find_to_remove(ids, history));
  for (Stored& one : gone) one.deleted = {now, history == PlaceHistory::kErase};
  return gone.empty() ? ok_status() : write(std::move(gone), version() + 1);
}

Result<std::vector<Catalog::Stored>> Catalog::find_to_remove(std::span<const PlaceId> ids, PlaceHistory history) const {
  const bool erased = history == PlaceHistory::kErase;
  std::vector<Stored> found;
  for (const PlaceId& id : ids) {
    if (!valid_id(id.str())) return invalid_argument("a place id has 1 to 128 bytes and no NUL");
    CAIRN_ASSIGN_OR_RETURN(Stored stored, find(id));
    if (stored.deleted && (!erased || stored.deleted->history_erased)) {
      return not_found("the place '" + id.str() + "' was deleted before");
    }
    found.push_back(std::move(stored));
  }
  return found;
}

Result<std::uint64_t> Catalog::rename_category(const std::string& from, const std::string& to, CategoryTarget target) {
  const MutexLock one_at_a_time(upsert_mutex_);
  std::vector<Stored> moved;
  {
    const ReaderLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(names_.check(from, to, target));
    std::copy_if(stored_.begin(), stored_.end(), std::back_inserter(moved),
                 [&](const Stored& stored) { return stored.place.category == from; });
  }
  category_ids_.intern(to);
  for (Stored& one : moved) one.place.category = to;
  const auto count = static_cast<std::uint64_t>(
      std::count_if(moved.begin(), moved.end(), [](const Stored& stored) { return !stored.deleted; }));
  storage::WriteBatch batch;
  CategoryNames::Changes changes;
  {
    const ReaderLock lock(mutex_);
    changes = names_.changes(from, to);
  }
  CategoryNames::put(changes, &batch);
  // The names and the places that have them are one write: a crash leaves all as it was, or all renamed.
  CAIRN_RETURN_IF_ERROR(write(std::move(moved), version() + 1, std::move(batch), changes));
  return count;
}

std::vector<Category> Catalog::categories() const {
  std::vector<Category> all;
  const ReaderLock lock(mutex_);
  auto old_names = names_.old_names();
  for (std::uint64_t id = 0; id < category_ids_.size(); ++id) {
    if (names_.now(id) != id) continue;
    all.push_back({category_ids_.name(id), id < places_of_.size() ? places_of_[id] : 0, std::move(old_names[id])});
  }
  std::sort(all.begin(), all.end(), [](const Category& a, const Category& b) { return a.name < b.name; });
  return all;
}

std::optional<std::uint64_t> Catalog::category_named(const std::string& name) const {
  const auto id = category_ids_.find(name);
  return id ? std::optional(category_now(*id)) : std::nullopt;
}

std::uint64_t Catalog::category_now(std::uint64_t category) const {
  if (!any_renamed()) return category;
  const ReaderLock lock(mutex_);
  return names_.now(category);
}

Status Catalog::rise_above(std::uint64_t version) {
  const MutexLock one_at_a_time(upsert_mutex_);
  return write(newer_than(0), std::max(version, this->version()) + 1);
}

Result<std::uint64_t> Catalog::pushed_version() const {
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, store_.get(storage::Family::kMeta, kPlacesPushedKey));
  if (!bytes) return std::uint64_t{0};
  ByteReader in(*bytes);
  const auto version = in.integer<std::uint64_t>();
  if (!in.complete()) return data_loss("the version of the places in PostgreSQL cannot be read; restore a checkpoint");
  return version;
}

Status Catalog::set_pushed_version(std::uint64_t version) {
  std::string bytes;
  ByteWriter(&bytes).integer(version);
  storage::WriteBatch batch;
  batch.put(storage::Family::kMeta, kPlacesPushedKey, bytes);
  return store_.write(batch, storage::Durability::kBuffered);
}

Status Catalog::write(std::vector<Stored> stored, std::uint64_t version, storage::WriteBatch batch,
                      const CategoryNames::Changes& changes) {
  // Asked before the places get numbers: one that has none was named by no event.
  const PastFacts::Ended ended = about_to_change(stored, changes);
  for (Stored& one : stored) {
    if (!one.place.category.empty()) category_ids_.intern(one.place.category);
    one.id = place_ids_.intern(one.place.id.str());
    one.version = version;
  }
  const PendingIds place_ids(place_ids_, kPlaceIdPrefix, &batch);
  const PendingIds category_ids(category_ids_, kCategoryIdPrefix, &batch);
  for (const Stored& one : stored) batch.put(storage::Family::kPlaces, one.place.id.str(), encode_place(one));
  if (!ended.empty()) {
    const ReaderLock lock(mutex_);
    past_.put(ended, &batch);
  }
  CAIRN_KILL_POINT("places.before_write");
  CAIRN_RETURN_IF_ERROR(store_.write(std::move(batch), storage::Durability::kOnlyHere));
  CAIRN_KILL_POINT("places.written");
  place_ids.confirm();
  category_ids.confirm();
  const WriterLock no_batch(steady_);
  const WriterLock lock(mutex_);
  if (!ended.empty()) past_.apply(ended);
  names_.apply(changes);
  any_renamed_.store(!names_.empty(), std::memory_order_release);
  for (Stored& one : stored) keep(std::move(one));
  version_ = version;
  return ok_status();
}

PastFacts::Ended Catalog::about_to_change(std::span<const Stored> places, const CategoryNames::Changes& changes) const {
  PastFacts::Ended ended;
  const ReaderLock lock(mutex_);
  const auto by_then = [&](std::optional<std::uint64_t> category) CAIRN_REQUIRES_SHARED(mutex_) {
    if (!category) return category;
    const auto renamed = changes.find(names_.now(*category));
    return std::optional(renamed == changes.end() ? names_.now(*category) : renamed->second);
  };
  for (const Stored& one : places) {
    const auto number = place_ids_.find(one.place.id.str());
    if (!number) continue;
    const Facts was = *number < facts_.size() ? facts_[*number] : Facts{};
    if (by_then(was.category) == by_then(facts_of(one).category) && was.cell == facts_of(one).cell) continue;
    ended.emplace_back(*number, was);
  }
  return ended;
}

Facts Catalog::facts_of(const Stored& stored) const {
  Facts facts;
  // Of a place that is deleted nothing is known: events that still name it count as those of a place never imported.
  if (stored.deleted) return facts;
  facts.cell = features::cell_of(stored.place.position, std::nullopt);
  if (!stored.place.category.empty()) facts.category = category_ids_.intern(stored.place.category);
  return facts;
}

std::uint32_t Catalog::moment() const {
  const ReaderLock lock(mutex_);
  return past_.moment();
}

Status Catalog::end_moment(storage::WriteBatch batch) {
  const MutexLock one_at_a_time(upsert_mutex_);
  {
    const ReaderLock lock(mutex_);
    past_.put(PastFacts::Ended{}, &batch);
  }
  CAIRN_RETURN_IF_ERROR(store_.write(std::move(batch), storage::Durability::kSynced));
  const WriterLock no_batch(steady_);
  const WriterLock lock(mutex_);
  past_.apply({});
  return ok_status();
}

std::pair<std::string, std::string> Catalog::note_erased(std::uint64_t place, std::uint32_t moment) {
  const WriterLock lock(mutex_);
  return past_.erase(place, moment);
}

PastFacts::Then Catalog::facts_at(std::uint64_t place, std::uint32_t moment) const {
  const ReaderLock lock(mutex_);
  PastFacts::Then then = past_.at(place, moment, place < facts_.size() ? facts_[place] : Facts{});
  if (then.facts.category) then.facts.category = names_.now(*then.facts.category);
  if (then.coming && then.coming->category) then.coming->category = names_.now(*then.coming->category);
  return then;
}

Status Catalog::forget_moments_before(std::uint32_t moment) {
  const MutexLock one_at_a_time(upsert_mutex_);
  const WriterLock lock(mutex_);
  return past_.forget_before(moment, &store_);
}

void Catalog::keep(Stored stored) {
  version_ = std::max(version_, stored.version);
  if (facts_.size() <= stored.id) facts_.resize(stored.id + 1);
  facts_[stored.id] = facts_of(stored);
  text_bytes_ += text_bytes(stored.place);
  count_category(stored, 1);
  deleted_ += stored.deleted ? 1 : 0;
  const auto [found, added] = by_id_.try_emplace(stored.id, stored_.size());
  if (added) {
    stored_.push_back(std::move(stored));
  } else {
    text_bytes_ -= text_bytes(stored_[found->second].place);
    count_category(stored_[found->second], -1);
    deleted_ -= stored_[found->second].deleted ? 1 : 0;
    stored_[found->second] = std::move(stored);
  }
}

void Catalog::count_category(const Stored& stored, int by) {
  if (stored.deleted || stored.place.category.empty()) return;
  const std::uint64_t category = category_ids_.find(stored.place.category).value();
  if (places_of_.size() <= category) places_of_.resize(category + 1);
  places_of_[category] += static_cast<std::uint64_t>(by);
}

Result<Place> Catalog::get(const PlaceId& id) const {
  CAIRN_ASSIGN_OR_RETURN(Stored stored, find(id));
  if (stored.deleted) return not_found("the place '" + id.str() + "' was deleted");
  return std::move(stored.place);
}

Result<Catalog::Stored> Catalog::find(const PlaceId& id) const {
  const auto number = place_ids_.find(id.str());
  const ReaderLock lock(mutex_);
  const auto found = number ? by_id_.find(*number) : by_id_.end();
  if (found == by_id_.end()) return not_found("no place has the id '" + id.str() + "'");
  return stored_[found->second];
}

void Catalog::resolve(std::span<features::ResolvedEvent> events) const {
  const ReaderLock lock(mutex_);
  for (features::ResolvedEvent& event : events) {
    const Facts facts = event.place < facts_.size() ? facts_[event.place] : Facts{};
    event.category = facts.category;
    event.waits = !facts.cell;
    event.cell = facts.cell ? facts.cell : features::cell_of(std::nullopt, event.interaction->position);
  }
}

std::optional<features::PlaceFacts> Catalog::facts(std::uint64_t place) const {
  const ReaderLock lock(mutex_);
  if (place >= facts_.size() || !facts_[place].cell) return std::nullopt;
  return features::PlaceFacts{facts_[place].category, *facts_[place].cell};
}

std::size_t Catalog::size() const {
  const ReaderLock lock(mutex_);
  return stored_.size() - deleted_;
}

std::size_t Catalog::memory_bytes() const {
  constexpr std::size_t kMapNode = 40;  // with its share of the buckets
  const ReaderLock lock(mutex_);
  return stored_.capacity() * sizeof(Stored) + facts_.capacity() * sizeof(Facts) + by_id_.size() * kMapNode +
         text_bytes_ + past_.memory_bytes();
}

std::uint64_t Catalog::version() const {
  const ReaderLock lock(mutex_);
  return version_;
}

std::vector<Catalog::Stored> Catalog::newer_than(std::uint64_t version) const {
  std::vector<Stored> newer;
  {
    const ReaderLock lock(mutex_);
    std::copy_if(stored_.begin(), stored_.end(), std::back_inserter(newer),
                 [&](const Stored& stored) { return stored.version > version; });
  }
  std::stable_sort(newer.begin(), newer.end(), [](const Stored& a, const Stored& b) { return a.version < b.version; });
  return newer;
}

}  // namespace cairn::state
