// The decoder alone, and a file source alone: one thread each, no engine.
//
// Beside the decoder stand two ways of using simdjson on the same documents, each parsed alone as the decoder must:
// On-Demand reading the contract's fields as views (it checks no ids, times or doubled keys and copies nothing), and
// the DOM parser reading no field at all. Beside the file source: read(2) of 1 MiB at a time and memchr for each line.
// Times are the thread's CPU time, medians of rounds in turn.
#include <fcntl.h>
#include <simdjson.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/on_demand_peer.h"
#include "bench/report.h"
#include "cairn/check.h"
#include "cairn/rfc3339.h"
#include "engine/learning/datasets/city.h"
#include "streaming/decode.h"
#include "streaming/source.h"
#include "tests/support/begin_source.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;

void must(const Status& status) { CAIRN_CHECK_MSG(status.ok(), status.to_string()); }

double cpu_seconds(const std::function<void()>& work) {
  const auto now = [] {
    timespec at{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) + 1e-9 * static_cast<double>(at.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

/// Median seconds of each of `works`, which take turns. The first round warms up and does not count.
std::vector<double> medians(std::size_t rounds, const std::vector<std::function<void()>>& works) {
  std::vector<std::vector<double>> times(works.size());
  for (std::size_t round = 0; round <= rounds; ++round) {
    for (std::size_t i = 0; i < works.size(); ++i) {
      const double time = cpu_seconds(works[i]);
      if (round > 0) times[i].push_back(time);
    }
  }
  std::vector<double> result;
  for (std::vector<double>& of_one : times) {
    std::sort(of_one.begin(), of_one.end());
    result.push_back(of_one[of_one.size() / 2]);
  }
  return result;
}

// ---- payloads -----------------------------------------------------------------------------------------------------

/// Payloads back to back, with the padding that decoders want after the last.
class Payloads {
 public:
  explicit Payloads(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) bytes_ += text;
    bytes_.append(streaming::kPayloadPadding, '\0');
    std::size_t at = 0;
    for (const std::string& text : texts) {
      views_.emplace_back(bytes_.data() + at, text.size());
      at += text.size();
    }
  }
  Payloads(const Payloads&) = delete;
  Payloads& operator=(const Payloads&) = delete;

  [[nodiscard]] const std::vector<std::string_view>& views() const noexcept { return views_; }
  [[nodiscard]] std::size_t mean_bytes() const {
    return (bytes_.size() - streaming::kPayloadPadding) / std::max<std::size_t>(views_.size(), 1);
  }

 private:
  std::string bytes_;
  std::vector<std::string_view> views_;
};

enum class Ids { kShort, kUuid, kInteger };
enum class Time { kRfc3339, kMilliseconds };
enum class Spacing { kNone, kPython };

std::string uuid(std::uint64_t number) {
  // The bits are mixed so that the digits differ everywhere, as those of random UUIDs do.
  const std::uint64_t a = (number + 1) * 0x9E3779B97F4A7C15U;
  const std::uint64_t b = (a ^ (a >> 29)) * 0xBF58476D1CE4E5B9U;
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-a%03x-%012llx", static_cast<unsigned>(a >> 32),
                static_cast<unsigned>(a >> 16 & 0xFFFF), static_cast<unsigned>(a & 0xFFF),
                static_cast<unsigned>(b >> 52), static_cast<unsigned long long>(b & 0xFFFFFFFFFFFFU));
  return text;
}

/// A variant of what producers write: every event has a position and an event id.
std::vector<std::string> events_like(const std::vector<Interaction>& from, Ids ids, Time time, Spacing spacing) {
  const std::string comma = spacing == Spacing::kPython ? ", " : ",";
  const std::string colon = spacing == Spacing::kPython ? ": " : ":";
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Interaction& event = from[i];
    const std::uint64_t number = std::hash<UserId>{}(event.user);
    const std::string user = ids == Ids::kUuid      ? "\"" + uuid(number) + "\""
                             : ids == Ids::kInteger ? std::to_string(number % 10'000'000)
                                                    : "\"" + event.user.str() + "\"";
    const std::string ts = time == Time::kMilliseconds
                               ? std::to_string(to_ms(event.time))
                               : "\"" + format_rfc3339(event.time, Rfc3339Fraction::kAlways) + "\"";
    char degrees[96];
    const double lat = 51.28 + 1e-6 * static_cast<double>(i * 7919 % 400'000);
    const double lon = -0.48 + 1e-6 * static_cast<double>(i * 104'729 % 780'000);
    std::snprintf(degrees, sizeof degrees, "\"lat\"%s%.6f%s\"lon\"%s%.6f", colon.c_str(), lat, comma.c_str(),
                  colon.c_str(), lon);
    std::string text = "{\"user_id\"" + colon + user + comma + "\"place_id\"" + colon + "\"" + event.place.str();
    text += "\"" + comma + "\"type\"" + colon + "\"";
    text += std::string(InteractionTypes::kBuiltIn[event.type.value]) + "\"" + comma + "\"ts\"" + colon + ts + comma;
    text += std::string(degrees) + comma + "\"event_id\"" + colon + "\"e" + std::to_string(i) + "\"}";
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// ---- decoding -----------------------------------------------------------------------------------------------------

void measure_decode(const bench::Report& report, const std::string& label, const Payloads& payloads) {
  const InteractionTypes types;
  streaming::Decoder decoder(types, {}, SystemClock::instance());
  bench::OnDemandPeer on_demand;
  simdjson::dom::parser dom;
  Interaction event;
  bench::OnDemandFields fields;
  const auto ours = [&] {
    for (const std::string_view payload : payloads.views()) {
      const auto reject = decoder.decode(payload, &event);
      CAIRN_CHECK_MSG(reject == streaming::Reject::kNone, decoder.detail());
      bench::keep(event);
    }
  };
  const auto with_on_demand = [&] {
    for (const std::string_view payload : payloads.views()) {
      on_demand.read(payload, &fields);
      bench::keep(fields);
    }
  };
  const auto with_dom = [&] {
    for (const std::string_view payload : payloads.views()) {
      CAIRN_CHECK(dom.parse(payload.data(), payload.size(), false).error() == simdjson::SUCCESS);
    }
  };
  const auto times = medians(report.quick() ? 5 : 21, {ours, with_on_demand, with_dom});
  const auto rate = [&](double time) { return static_cast<double>(payloads.views().size()) / time; };
  const std::string name = "decode " + label + " bytes=" + std::to_string(payloads.mean_bytes());
  report.add({.name = name,
              .unit = "events/s",
              .value = rate(times[0]),
              .peer = bench::Peer{
                  "simdjson 3.0.1 On-Demand (" + simdjson::get_active_implementation()->name() + "), fields as views",
                  rate(times[1])}});
  report.add({.name = name,
              .unit = "events/s",
              .value = rate(times[0]),
              .peer = bench::Peer{
                  "simdjson 3.0.1 DOM (" + simdjson::get_active_implementation()->name() + ") parse, no field read",
                  rate(times[2])}});
}

// ---- a file -------------------------------------------------------------------------------------------------------

std::size_t poll_lines(const std::string& path, std::size_t records_max) {
  const auto source = streaming::make_file_source({"stream", path, false}, Partition{0}, 64 << 10, {});
  must(test::begin(*source));
  streaming::RecordBatch batch;
  std::size_t lines = 0;
  while (!batch.finished) {
    must(source->poll(records_max, std::chrono::milliseconds(100), &batch));
    lines += batch.records.size();
  }
  return lines;
}

std::size_t count_lines(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  CAIRN_CHECK(fd >= 0);
  std::vector<char> buffer(1 << 20);
  std::size_t lines = 0;
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    CAIRN_CHECK(got >= 0);
    if (got == 0) break;
    const char* at = buffer.data();
    const char* const end = at + got;
    while (at < end && (at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at))))) {
      ++lines;
      ++at;
    }
  }
  ::close(fd);
  return lines;
}

void measure_file(const bench::Report& report, const std::string& path, std::size_t lines, std::size_t records_max) {
  const auto times = medians(report.quick() ? 5 : 11, {[&] { CAIRN_CHECK(poll_lines(path, records_max) == lines); },
                                                       [&] { CAIRN_CHECK(count_lines(path) == lines); }});
  const auto rate = [&](double time) { return static_cast<double>(lines) / time; };
  report.add({.name = "file source poll lines=" + std::to_string(lines) + " batch=" + std::to_string(records_max),
              .unit = "records/s",
              .value = rate(times[0]),
              .peer = bench::Peer{"read(2) of 1 MiB and memchr per line", rate(times[1])}});
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Report report("decode", argc, argv);
  datasets::CityOptions city;
  city.events = report.quick() ? 20'000 : 100'000;
  city.users = 20'000;
  city.places = 20'000;
  const auto dataset = datasets::generate_city(city);
  CAIRN_CHECK_MSG(dataset.ok(), dataset.status().to_string());
  const std::vector<Interaction>& events = dataset->interactions;
  const test::TemporaryFolder folder;
  const std::string file = folder / "events.ndjson";
  must(datasets::write_interactions_ndjson(file, events));
  const std::string written = folder.read("events.ndjson");

  const Payloads as_written(lines_of(written));
  measure_decode(report, "as `cairn dataset` writes", as_written);
  measure_decode(report, "short ids, ms",
                 Payloads(events_like(events, Ids::kShort, Time::kMilliseconds, Spacing::kNone)));
  measure_decode(report, "short ids, RFC 3339",
                 Payloads(events_like(events, Ids::kShort, Time::kRfc3339, Spacing::kNone)));
  measure_decode(report, "UUID users, RFC 3339",
                 Payloads(events_like(events, Ids::kUuid, Time::kRfc3339, Spacing::kNone)));
  measure_decode(report, "integer users, ms, Python's spaces",
                 Payloads(events_like(events, Ids::kInteger, Time::kMilliseconds, Spacing::kPython)));

  std::string long_file = written;
  for (int i = 1; i < 10; ++i) long_file += written;
  folder.write("long.ndjson", long_file);
  for (const std::size_t records_max : {1'000UL, 20'000UL}) {
    measure_file(report, folder / "long.ndjson", 10 * events.size(), records_max);
  }
  return 0;
}
