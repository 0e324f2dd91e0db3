#include "engine/cache/answer_codec.h"

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cairn::cache {

namespace {

void write_marks(const std::vector<Watermark>& marks, ByteWriter* out) {
  out->number(static_cast<std::uint32_t>(marks.size()));
  for (const Watermark& mark : marks) {
    out->text(mark.source);
    out->number(mark.position.partition.value);
    out->number(mark.position.offset.value);
  }
}

std::vector<Watermark> read_marks(ByteReader* in) {
  std::vector<Watermark> marks(in->count());
  for (Watermark& mark : marks) {
    mark.source = in->text();
    mark.position.partition.value = in->number<decltype(mark.position.partition.value)>();
    mark.position.offset.value = in->number<decltype(mark.position.offset.value)>();
  }
  return marks;
}

void write_scalar(const AttributeScalar& value, ByteWriter* out) {
  out->number(static_cast<std::uint8_t>(value.index()));
  if (const auto* flag = std::get_if<bool>(&value)) {
    out->number(*flag);
  } else if (const auto* number = std::get_if<double>(&value)) {
    out->number(*number);
  } else {
    out->text(std::get<std::string>(value));
  }
}

AttributeScalar read_scalar(ByteReader* in) {
  switch (in->number<std::uint8_t>()) {
    case 0:
      return in->number<bool>();
    case 1:
      return in->number<double>();
    default:
      return in->text();
  }
}

void write_attributes(const Attributes& attributes, ByteWriter* out) {
  out->number(static_cast<std::uint32_t>(attributes.size()));
  for (const Attribute& attribute : attributes) {
    out->text(attribute.name);
    const auto* list = std::get_if<std::vector<AttributeScalar>>(&attribute.value);
    out->number(list != nullptr);
    if (list != nullptr) {
      out->number(static_cast<std::uint32_t>(list->size()));
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

Attributes read_attributes(ByteReader* in) {
  const std::size_t count = in->count();
  if (count == 0) return {};
  std::vector<Attribute> all(count);
  for (Attribute& attribute : all) {
    attribute.name = in->text();
    if (in->number<bool>()) {
      std::vector<AttributeScalar> list(in->count());
      for (AttributeScalar& one : list) one = read_scalar(in);
      attribute.value = std::move(list);
    } else {
      AttributeScalar value = read_scalar(in);
      std::visit([&attribute](auto& scalar) { attribute.value = std::move(scalar); }, value);
    }
  }
  return all;
}

void write_item(const Recommended& item, ByteWriter* out) {
  out->text(item.place.id.str());
  out->text(item.place.name);
  out->number(item.place.position.lat);
  out->number(item.place.position.lon);
  out->text(item.place.category);
  write_attributes(item.place.attributes, out);
  out->number(item.score);
  out->number(item.distance_meters);
  out->number(static_cast<std::uint32_t>(item.reasons.size()));
  for (const Reason& reason : item.reasons) {
    out->text(reason.feature);
    out->number(reason.value);
    out->number(reason.contribution);
    out->text(reason.text);
  }
}

Recommended read_item(ByteReader* in) {
  Recommended item;
  item.place.id = PlaceId(in->text());
  item.place.name = in->text();
  item.place.position.lat = in->number<double>();
  item.place.position.lon = in->number<double>();
  item.place.category = in->text();
  item.place.attributes = read_attributes(in);
  item.score = in->number<double>();
  item.distance_meters = in->number<double>();
  item.reasons.resize(in->count());
  for (Reason& reason : item.reasons) {
    reason.feature = in->text();
    reason.value = in->number<double>();
    reason.contribution = in->number<double>();
    reason.text = in->text();
  }
  return item;
}

}  // namespace

void write_answer(const Recommendations& answer, ByteWriter* out) {
  out->number(static_cast<std::uint32_t>(answer.items.size()));
  for (const Recommended& item : answer.items) write_item(item, out);
  out->number(static_cast<std::uint64_t>(answer.candidates));
  out->text(answer.next);
  out->number(answer.known_by);
  out->number(answer.ranker);
  out->text(answer.model);
  out->text(answer.cell);
  out->maybe(answer.segment);
  out->maybe(answer.explored);
  out->text(answer.shortfall);
  out->number(answer.degraded);
  out->number(answer.by_fallback);
  write_marks(answer.freshness.watermarks, out);
  write_marks(answer.freshness.durable, out);
  out->number(to_ms(answer.freshness.newest_event));
  out->number(answer.freshness.tier);
}

bool read_answer(ByteReader* in, Recommendations* answer) {
  const std::size_t items = in->count();
  std::vector<Recommended>& to = answer->items.edit();
  to.clear();
  for (std::size_t i = 0; i < items && in->ok(); ++i) to.push_back(read_item(in));
  answer->candidates = in->number<std::uint64_t>();
  answer->next = in->text();
  answer->known_by = in->number<UserKnownBy>();
  answer->ranker = in->number<std::uint64_t>();
  answer->model = in->text();
  answer->cell = in->text();
  answer->segment = in->maybe<std::uint32_t>();
  answer->explored = in->maybe<ExploreMethod>();
  answer->shortfall = in->text();
  answer->degraded = in->number<bool>();
  answer->by_fallback = in->number<bool>();
  answer->freshness.watermarks = read_marks(in);
  answer->freshness.durable = read_marks(in);
  answer->freshness.newest_event = event_time_from_ms(in->number<std::int64_t>());
  answer->freshness.tier = in->number<Tier>();
  return in->ok();
}

}  // namespace cairn::cache
