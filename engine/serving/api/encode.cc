#include "engine/serving/api/encode.h"

#include "cairn/rfc3339.h"

namespace cairn::serving {

void write_watermark(json::Writer& out, const Watermark& watermark) {
  out.begin_object();
  out.key("source").text(watermark.source);
  out.key("partition").integer(watermark.position.partition.value);
  out.key("offset").integer(watermark.position.offset.value);
  out.end_object();
}

void write_time_or_null(json::Writer& out, EventTime time) {
  if (time == EventTime{}) {
    out.null();
  } else {
    out.text(format_rfc3339(time));
  }
}

void write_freshness(json::Writer& out, const Freshness& freshness) {
  out.begin_object().key("watermarks").begin_array();
  for (const Watermark& watermark : freshness.watermarks) write_watermark(out, watermark);
  out.end_array().key("durable").begin_array();
  for (const Watermark& watermark : freshness.durable) write_watermark(out, watermark);
  out.end_array().key("newest_event");
  write_time_or_null(out, freshness.newest_event);
  out.key("tier").text(to_string(freshness.tier)).end_object();
}

void write_vector(json::Writer& out, const FeatureVector& vector) {
  out.begin_object();
  out.key("view").text(vector.view);
  out.key("status").text(to_string(vector.status));
  out.key("entries").begin_array();
  for (const FeatureEntry& entry : vector.entries) {
    out.begin_object();
    out.key("dimension").text(entry.dimension);
    out.key("value").number(entry.value);
    out.key("count").integer(entry.count);
    out.key("newest").text(format_rfc3339(entry.newest));
    out.end_object();
  }
  out.end_array().end_object();
}

void write_place_members(json::Writer& out, const Place& place) {
  out.key("place_id").text(place.id.str());
  out.key("name").text(place.name);
  out.key("lat").number(place.position.lat);
  out.key("lon").number(place.position.lon);
  out.key("category").text(place.category);
}

void write_attributes(json::Writer& out, const Place& place) { out.key("attributes").json(to_json(place.attributes)); }

std::string_view name_of(EntityKind kind) noexcept {
  switch (kind) {
    case EntityKind::kUser:
      return "user";
    case EntityKind::kPlace:
      return "place";
    case EntityKind::kCell:
      return "cell";
  }
  return "";
}

std::string_view name_of(Dimension dimension) noexcept {
  switch (dimension) {
    case Dimension::kNone:
      return "none";
    case Dimension::kPlace:
      return "place";
    case Dimension::kCategory:
      return "category";
    case Dimension::kCell:
      return "cell";
    case Dimension::kHourOfWeek:
      return "hour_of_week";
    case Dimension::kType:
      return "type";
    case Dimension::kHour:
      return "hour";
  }
  return "";
}

std::string_view name_of(Aggregate aggregate) noexcept {
  switch (aggregate) {
    case Aggregate::kCount:
      return "count";
    case Aggregate::kSum:
      return "sum";
    case Aggregate::kMean:
      return "mean";
    case Aggregate::kMin:
      return "min";
    case Aggregate::kMax:
      return "max";
    case Aggregate::kLast:
      return "last";
    case Aggregate::kDecayedSum:
      return "decayed_sum";
    case Aggregate::kSequence:
      return "sequence";
  }
  return "";
}

}  // namespace cairn::serving
