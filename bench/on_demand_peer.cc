#include "bench/on_demand_peer.h"

#include <simdjson.h>

#include "cairn/check.h"

namespace cairn::bench {

namespace od = simdjson::ondemand;

struct OnDemandPeer::Impl {
  od::parser parser;
};

OnDemandPeer::OnDemandPeer() : impl_(std::make_unique<Impl>()) {}
OnDemandPeer::~OnDemandPeer() = default;

namespace {

/// A string field, or an integer in its place.
void take_text(od::value value, std::string_view* text, std::int64_t* number) {
  if (value.get(*text) != simdjson::SUCCESS) CAIRN_CHECK(value.get(*number) == simdjson::SUCCESS);
}

void take_field(od::raw_json_string key, od::value value, OnDemandFields* out) {
  const auto real = [&](double* to) { CAIRN_CHECK(value.get(*to) == simdjson::SUCCESS); };
  if (key == "user_id") return take_text(value, &out->user, &out->number);
  if (key == "place_id") return take_text(value, &out->place, &out->number);
  if (key == "type") return take_text(value, &out->type, &out->number);
  if (key == "ts") return take_text(value, &out->ts, &out->number);
  if (key == "value") return real(&out->value);
  if (key == "lat") return real(&out->lat);
  if (key == "lon") return real(&out->lon);
  if (key == "event_id") return take_text(value, &out->event_id, &out->number);
}

}  // namespace

/// Fields are taken in the order in which they stand, and keys compared as they stand: simdjson's fastest way.
void OnDemandPeer::read(std::string_view payload, OnDemandFields* out) {
  od::document document;
  const simdjson::padded_string_view padded(payload.data(), payload.size(),
                                            payload.size() + simdjson::SIMDJSON_PADDING);
  CAIRN_CHECK(impl_->parser.iterate(padded).get(document) == simdjson::SUCCESS);
  od::object object;
  CAIRN_CHECK(document.get_object().get(object) == simdjson::SUCCESS);
  for (auto field : object) {
    od::raw_json_string key;
    CAIRN_CHECK(field.key().get(key) == simdjson::SUCCESS);
    take_field(key, field.value(), out);
  }
}

}  // namespace cairn::bench
