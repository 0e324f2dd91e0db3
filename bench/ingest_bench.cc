// From events to features on the disk, and how fresh, small and steady they are. Each case stands in a source of its
// own in bench/ingest, and says there what it measures and beside what. Two sides of a case run in turn, in the same
// run, and the figures are medians; the answers of both are checked against counts made with the data.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "bench/ingest/cases.h"
#include "bench/ingest/child.h"
#include "bench/ingest/run_topic.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

struct NamedCase {
  std::string_view name;
  void (*measure)(IngestRun&);
  bool usual;  ///< runs unless cases are chosen
  std::string_view what;
};

constexpr NamedCase kCases[] = {
    {"decode", decode_case, true, "the decoder beside simdjson, one thread"},
    {"file", file_case, true, "a file to durable features, beside a plain RocksDB merge loop"},
    {"hot", hot_case, true, "the same when three events in ten are of one user at one place"},
    {"kafka", kafka_case, true, "a topic to durable features, beside a consumer that only counts"},
    {"streams", streams_case, true, "the same beside Kafka Streams: a count per user; sparse views"},
    {"disk", disk_case, true, "bytes an event after a full compaction, beside its JSON"},
    {"fresh", fresh_case, true, "produced to readable at 10,000 events/s, Kafka and API"},
    {"restart", restart_case, true, "killed with a full window, until ready again"},
    {"reads", reads_case, true, "feature reads during full ingest, beside the idle engine"},
    {"file5m", file5m_case, false, "file, with 5 million events"},
    {"growth", growth_case, false, "10 million events, 1 million users, 500,000 places: rates and memory"},
    {"memory", memory_case, false, "resident memory with 500,000 places, and with 1 million users"},
};

void print_usage() {
  std::fprintf(stderr,
               "usage: tools/bench ingest [--quick] [--only CASE,CASE...] [--events N] [--users N] [--places N]\n"
               "                          [--rounds N] [--data DIR]\n\n"
               "  --data DIR  keep the made events there, and use those that are there\n\ncases:\n");
  for (const NamedCase& one : kCases) {
    std::fprintf(stderr, "  %-8s %s%s\n", std::string(one.name).c_str(), std::string(one.what).c_str(),
                 one.usual ? "" : " (only when asked for)");
  }
}

const NamedCase* find_case(std::string_view name) {
  const auto* found = std::find_if(std::begin(kCases), std::end(kCases), [&](const auto& c) { return c.name == name; });
  return found == std::end(kCases) ? nullptr : found;
}

int run_as_child(const std::string& role, const std::vector<std::string>& arguments) {
  if (role == "make-data") return make_data_files(arguments);
  if (role == "restart") return restart_child(arguments);
  if (role == "growth") return growth_child(arguments);
  if (role == "memory") return memory_child(arguments);
  return 2;
}

int ended[2];  // a pipe: a signal handler may do little more than write

/// A failed check of an answer aborts: the thread that did waits for the cleaning up.
void tell_end(int signal) {
  const char byte = static_cast<char>(signal);
  if (::write(ended[1], &byte, 1) != 1) ::_exit(128 + signal);
  while (signal == SIGABRT) ::pause();
}

/// Everything temporary stands in one folder, so that a run that ends early can be cleaned up as a whole, its broker
/// first.
void clean_up_at_signals(const std::string& folder) {
  CAIRN_CHECK(::pipe2(ended, O_CLOEXEC) == 0);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGABRT}) std::signal(signal, tell_end);
  std::thread([folder] {
    char signal = 0;
    while (::read(ended[0], &signal, 1) != 1) {
    }
    KafkaBroker::remove_from(folder);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    ::_exit(128 + signal);
  }).detach();
}

int run_cases(const Report& report, const IngestOptions& options) {
  IngestRun run(report, options);
  for (const NamedCase& one : kCases) {
    const bool chosen = options.only.empty()
                            ? one.usual
                            : std::find(options.only.begin(), options.only.end(), one.name) != options.only.end();
    if (!chosen) continue;
    std::fprintf(stderr, "-- %s: %s\n", std::string(one.name).c_str(), std::string(one.what).c_str());
    const SteadyTime start = std::chrono::steady_clock::now();
    one.measure(run);
    std::fprintf(stderr, "   took %.0f s\n", seconds_since(start));
  }
  return 0;
}

}  // namespace

IngestRun::IngestRun(const Report& the_report, IngestOptions the_options)
    : report(the_report), options(std::move(the_options)) {}

const Data& IngestRun::data(DataSize usual) {
  const DataSize size{options.events.value_or(usual.events), options.users.value_or(usual.users),
                      options.places.value_or(usual.places), usual.hot_percent};
  return data_of(size);
}

const Data& IngestRun::data_of(const DataSize& size) {
  for (const auto& made : made_) {
    if (label(made->size) == label(size)) return *made;
  }
  const std::string folder =
      options.data_folder.empty() ? (std::filesystem::temp_directory_path() / "data").string() : options.data_folder;
  made_.push_back(std::make_unique<Data>(make_data(folder, size)));
  return *made_.back();
}

const Data& IngestRun::data() {
  return data(options.quick ? DataSize{50'000, 5'000, 3'000} : DataSize{1'000'000, 100'000, 50'000});
}

std::size_t IngestRun::rounds(std::size_t usual) const { return options.rounds.value_or(options.quick ? 1 : usual); }

KafkaBroker* IngestRun::kafka() {
  if (!kafka_) kafka_ = KafkaBroker::start();
  return kafka_.get();
}

const std::string& IngestRun::topic_of(const Data& data) {
  std::string& topic = topics_[data.events_path];
  if (topic.empty()) {
    topic = "events-" + std::to_string(topics_.size());
    kafka()->make_topic(topic, kTopicPartitions);
    produce_lines(kafka()->address(), topic, data.events_path);
  }
  return topic;
}

}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn::bench;
  if (argc > 2 && std::string_view(argv[1]) == "--child") return run_as_child(argv[2], {argv + 3, argv + argc});
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    print_usage();
    return 0;
  }
  const std::optional<IngestOptions> options = parse_ingest_options(argc, argv);
  const auto unknown = [](const std::string& name) { return find_case(name) == nullptr; };
  if (!options || std::any_of(options->only.begin(), options->only.end(), unknown)) {
    print_usage();
    return 2;
  }
  const cairn::test::TemporaryFolder folder;
  ::setenv("TMPDIR", folder.path().c_str(), 1);
  clean_up_at_signals(folder.path());
  const Report report("ingest", argc, argv);
  return run_cases(report, *options);
}
