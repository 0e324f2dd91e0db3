// Records of the API's log and what is in them: each is what was written, to the last byte, or none.
#include <string>
#include <string_view>
#include <vector>

#include "streaming/api_record.h"
#include "streaming/log/crc32c.h"
#include "streaming/log/record.h"
#include "tests/fuzz/fuzzer.h"

namespace cairn::fuzz {
namespace {

void check_event(std::string_view record, const InteractionTypes& types) {
  Interaction event;
  const auto read = streaming::read_api_record(record, types, &event);
  if (!read) return;
  std::string again;
  if (read->reject == streaming::Reject::kNone) {
    streaming::append_decoded_record(event, &again);
  } else {
    streaming::append_refused_record(read->reject, read->detail, read->payload, &again);
  }
  check(again == record, "a record has two spellings");
}

void check_calls(std::string_view record, const InteractionTypes& types) {
  const auto calls = streaming::read_calls(record, Offset{99});
  const auto events = streaming::events_in(record);
  check(!calls || events, "calls are read of a record that is none");
  if (events) {
    for (const std::string_view event : *events) check_event(event, types);
  }
  if (!calls) return;
  std::string again;
  if (!events->empty() || (calls->size() == 1 && calls->front().end == Offset{99} && record.size() == 37)) {
    streaming::append_call_record(calls->front(), *events, &again);
  } else {
    streaming::append_known_calls_record(*calls, &again);
  }
  check(again == record, "a record of calls has two spellings");
}

}  // namespace
}  // namespace cairn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  static const InteractionTypes types;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  fuzz::check_event(bytes, types);
  fuzz::check_calls(bytes, types);

  // As a record of the log, as it is and with the right checksum around it.
  static_cast<void>(streaming::parse_record(Offset{0}, bytes));
  std::string framed;
  streaming::append_record(Offset{24}, Offset{0}, bytes, streaming::crc32c(bytes), &framed);
  const auto parsed = streaming::parse_record(Offset{24}, framed);
  fuzz::check(parsed.found == streaming::ParsedRecord::Found::kWhole && parsed.payload == bytes &&
                  parsed.group_start == Offset{0} && parsed.bytes_needed == framed.size(),
              "a record is not read as it was written");
  if (framed.size() > 1) {
    const auto cut = streaming::parse_record(Offset{24}, std::string_view(framed).substr(0, framed.size() - 1));
    fuzz::check(cut.found != streaming::ParsedRecord::Found::kWhole, "a record that is cut off is whole");
  }
  return 0;
}
