#pragma once

#include "cairn/engine_status.h"
#include "cairn/feature_view.h"
#include "cairn/freshness.h"
#include "cairn/place.h"
#include "engine/serving/json/writer.h"

namespace cairn::serving {

/// The engine's words in JSON, the same in every answer. A watermark is written as recommendation requests take it:
/// {"source":"api","partition":0,"offset":12}.
void write_watermark(json::Writer& out, const Watermark& watermark);
void write_freshness(json::Writer& out, const Freshness& freshness);
void write_answer_cache(json::Writer& out, const AnswerCacheStatus& answers);
void write_model(json::Writer& out, const ModelStatus& model);
void write_vector(json::Writer& out, const FeatureVector& vector);
void write_place_members(json::Writer& out, const Place& place);
/// "attributes", an object.
void write_attributes(json::Writer& out, const Place& place);

/// RFC 3339; null for the epoch, which the engine uses for "none".
void write_time_or_null(json::Writer& out, EventTime time);

[[nodiscard]] std::string_view name_of(EntityKind kind) noexcept;
[[nodiscard]] std::string_view name_of(Dimension dimension) noexcept;
[[nodiscard]] std::string_view name_of(Aggregate aggregate) noexcept;

}  // namespace cairn::serving
