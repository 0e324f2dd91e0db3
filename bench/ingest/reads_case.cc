// How long a read of all views of one user takes (Engine::get_features) while the engine ingests as fast as it can, and
// while it is idle, with the same data: the followed file grows by a piece, reads run until all of it is durable, and
// then as many run again. Users are asked for as often as they occur in the stream. One reader, 1,000 reads a second,
// so that both sides ask at the same pace and the processors are not the reader's.
#include <atomic>
#include <thread>

#include "bench/ingest/cases.h"
#include "bench/ingest/follow.h"
#include "bench/ingest/run_engine.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::chrono::microseconds kPace{1'000};

/// The users of the stream's first events, in their order.
std::vector<std::string> users_of(const Data& data, std::size_t count) {
  constexpr std::string_view kBefore = "{\"user_id\":\"";
  std::vector<std::string> users;
  std::ifstream in(data.events_path);
  for (std::string line; users.size() < count && std::getline(in, line);) {
    CAIRN_CHECK(line.starts_with(kBefore));
    users.push_back(line.substr(kBefore.size(), line.find('"', kBefore.size()) - kBefore.size()));
  }
  return users;
}

class Reader {
 public:
  Reader(const Engine& engine, std::vector<std::string> users) : engine_(engine), users_(std::move(users)) {}

  /// Reads at a steady pace until `over()`, or until as many reads as given were made. Adds the microseconds of each.
  template <class Over>
  std::size_t read(std::size_t reads_max, std::vector<double>* times, Over&& over) {
    std::size_t reads = 0;
    SteadyTime due = std::chrono::steady_clock::now();
    for (; reads < reads_max && !over(); ++reads) {
      FeatureRequest request;
      request.keys = {users_[next_++ % users_.size()]};
      const SteadyTime start = std::chrono::steady_clock::now();
      const FeatureResponse answer = must(engine_.get_features({}, request));
      times->push_back(1e6 * seconds_since(start));
      CAIRN_CHECK(answer.entities.at(0).vectors.size() == answer.views.size());
      // A read that was late is not caught up with: the next ones would come in a burst.
      due = std::max(due + kPace, std::chrono::steady_clock::now());
      std::this_thread::sleep_until(due);
    }
    return reads;
  }

 private:
  const Engine& engine_;
  const std::vector<std::string> users_;
  std::size_t next_ = 0;
};

struct Times {
  std::vector<double> busy;
  std::vector<double> idle;
};

void read_in_turn(Engine& engine, FollowedFile* file, std::size_t pieces, std::size_t piece, Reader* reader,
                  Times* times) {
  for (std::size_t i = 0; i < pieces; ++i) {
    file->append(piece);
    std::atomic<bool> done{false};
    std::thread waiter([&] {
      must(engine.wait_caught_up(patient()));
      done = true;
    });
    const std::size_t reads = reader->read(1'000'000, &times->busy, [&] { return done.load(); });
    waiter.join();
    reader->read(reads, &times->idle, [] { return false; });
  }
}

}  // namespace

void reads_case(IngestRun& run) {
  const Data& data = run.data();
  const test::TemporaryFolder folder;
  FollowedFile file(folder / "stream.ndjson", data);
  EngineOptions options = with_places(folder / "state", data);
  options.files = {{"stream", file.path(), true}};
  const std::unique_ptr<Engine> engine = open_engine(options);
  constexpr std::size_t kPieces = 3;
  const std::size_t piece = data.size.events / (kPieces + 2);
  file.append(data.size.events - kPieces * piece);
  must(engine->wait_caught_up(patient()));

  Reader reader(*engine, users_of(data, data.size.events / 5));
  Times times;
  reader.read(200, &times.idle, [] { return false; });  // warms up
  times.idle.clear();
  read_in_turn(*engine, &file, kPieces, piece, &reader, &times);
  check_answers(*engine, data);
  const std::string reads = " reads=" + std::to_string(times.busy.size());
  for (const double share : {0.5, 0.99}) {
    const std::string name = share < 0.9 ? "p50" : "p99";
    run.report.add({.name = "features of a user, all views, during full ingest, " + name + reads,
                    .unit = "us",
                    .better = Better::kLess,
                    .value = quantile(times.busy, share),
                    .peer = Peer{"the same engine idle, " + name, quantile(times.idle, share)}});
  }
  must(engine->close());
}

}  // namespace cairn::bench
