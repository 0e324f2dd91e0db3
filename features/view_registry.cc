#include <algorithm>
#include <limits>
#include <utility>

#include "features/bytes.h"
#include "features/schema.h"

namespace cairn::features {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kDefinitionBytesMin = 2;  // id, length

std::string without_spaces(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
  return text;
}

// Each type with its length before it: types may hold any byte.
std::string weights_text(std::vector<EventWeight> events) {
  std::sort(events.begin(), events.end(), [](const EventWeight& a, const EventWeight& b) { return a.type < b.type; });
  std::string text;
  for (const EventWeight& event : events) {
    text += std::to_string(event.type.size()) + ":" + event.type + "=" + without_spaces(event.expression) + ",";
  }
  return text.empty() ? "*" : text;
}

// The name is in it so that two views never share an id. `ttl` and `max_entries` are not: they decide what is kept and
// served, not what a stored value means. A setting that a view does not use is left out, so that its default may
// change.
std::string fingerprint_of(const FeatureViewSpec& spec) {
  const bool cells = spec.entity == EntityKind::kCell || spec.dimension == Dimension::kCell;
  std::string text = spec.name;
  text += " entity=" + std::to_string(static_cast<int>(spec.entity));
  text += " dimension=" + std::to_string(static_cast<int>(spec.dimension));
  text += " aggregate=" + std::to_string(static_cast<int>(spec.aggregate));
  if (spec.aggregate == Aggregate::kDecayedSum) text += " half_life=" + std::to_string(spec.half_life.count());
  if (cells) text += " cell_precision=" + std::to_string(spec.cell_precision);
  return text + " events=" + weights_text(spec.events);
}

Status malformed(const char* what) { return data_loss(std::string("view registry: ") + what); }

}  // namespace

std::uint32_t ViewRegistry::id_of(const FeatureViewSpec& spec) {
  std::string fingerprint = fingerprint_of(spec);
  std::uint32_t largest = 0;
  for (const Definition& definition : definitions_) {
    if (definition.fingerprint == fingerprint) return definition.id;
    largest = std::max(largest, definition.id);
  }
  definitions_.push_back({largest + 1, std::move(fingerprint)});
  return largest + 1;
}

std::string ViewRegistry::encode() const {
  std::string bytes;
  put_byte(kVersion, &bytes);
  put_varint(definitions_.size(), &bytes);
  for (const Definition& definition : definitions_) {
    put_varint(definition.id, &bytes);
    put_varint(definition.fingerprint.size(), &bytes);
    bytes += definition.fingerprint;
  }
  put_trailer(&bytes);
  return bytes;
}

Result<ViewRegistry> ViewRegistry::decode(std::string_view bytes) {
  if (!trailer_matches(bytes)) return malformed("wrong checksum");
  ByteReader in(bytes.substr(0, bytes.size() - kTrailerBytes));
  if (in.byte() != kVersion) return malformed("a format version that this release does not know; use a newer one");
  const std::uint64_t count = in.varint();
  if (count > in.left() / kDefinitionBytesMin) return malformed("more views than bytes for them");
  ViewRegistry registry;
  std::uint64_t previous = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t id = in.varint();
    const std::string_view fingerprint = in.text(in.varint());
    // The largest 32-bit number stays free, so that a next id exists.
    if (id <= previous || id >= std::numeric_limits<std::uint32_t>::max()) return malformed("ids out of order");
    registry.definitions_.push_back({static_cast<std::uint32_t>(id), std::string(fingerprint)});
    previous = id;
  }
  if (!in.finished()) return malformed("bytes left over, or cut off");
  return registry;
}

}  // namespace cairn::features
