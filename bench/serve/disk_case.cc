// Answers that memory had no room for (tier L2): how long one takes that comes from the disk, and how many bytes it
// takes there, with LZ4 and with Snappy, beside what it takes in memory by its own count, and beside computing it. Real
// answers of 20 places with their reasons. The system's page cache has most of the files, as it would in a machine with
// memory left; a cold disk adds its own time.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/serve/cases.h"
#include "bench/serve/town.h"
#include "cairn/check.h"
#include "engine/cache/answer_cache.h"
#include "storage/passing_store.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kUsers = 10'000;
constexpr std::size_t kMade = 200;  ///< real answers, which are given to all users in turn

struct Real {
  std::vector<Recommendations> answers;
  double computed_us = 0.0;
};

Real real_answers() {
  const test::TemporaryFolder folder;
  const auto engine = open_town({.folder = folder.path(), .places = 40'000, .users = 5'000, .answers = {}});
  Real real;
  std::vector<double> micros;
  for (std::size_t user = 0; user < kMade; ++user) {
    const RecommendRequest request{
        .user = UserId("u" + std::to_string(user)), .position = position_of(user), .radius_meters = 3000.0};
    const auto start = std::chrono::steady_clock::now();
    auto answer = engine->recommend({}, request);
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    CAIRN_CHECK(answer.ok() && answer->items.size() == 20);
    real.answers.push_back(*std::move(answer));
  }
  real.computed_us = at_share(micros, 0.5);
  return real;
}

void measure(ServeRun& run, const Real& real, Compression compression, const std::string& name) {
  const test::TemporaryFolder folder;
  auto opened = storage::PassingStore::open({.path = folder / "answers",
                                             .bytes_max = std::uint64_t{4} << 30,
                                             .compression = compression,
                                             .free_bytes_min = 0});
  CAIRN_CHECK_MSG(opened.ok(), opened.status().to_string());
  storage::PassingStore& store = **opened;
  std::size_t next = 0;
  cache::AnswerCache cache(
      {.memory_bytes = 4u << 20,
       .ttl = std::chrono::hours(1),
       .ttl_min = std::chrono::hours(1),
       .disk_bytes = std::uint64_t{4} << 30},
      [&](const CallContext&, const RecommendRequest&) {
        return Result<Recommendations>(real.answers[next++ % real.answers.size()]);
      },
      [] { return std::uint64_t{1}; }, *std::move(opened));
  const auto request_of = [](std::size_t user) {
    return RecommendRequest{.user = UserId("user-" + std::to_string(user)), .position = position_of(user)};
  };
  std::uint64_t memory_bytes = 0;
  const auto settled = [&] {
    const AnswerCacheStatus status = cache.status();
    return status.disk_writes + status.disk_dropped >= status.evictions;
  };
  for (std::size_t user = 0; user < kUsers; ++user) {
    CAIRN_CHECK(cache.answer({}, request_of(user)).ok());
    if (user % 200 != 0) continue;
    while (!settled()) std::this_thread::yield();  // the writer has a bound on what waits
  }
  while (!settled()) std::this_thread::yield();
  const AnswerCacheStatus before = cache.status();
  memory_bytes = before.bytes / before.entries;
  CAIRN_CHECK(store.flush().ok());
  const double disk_bytes = static_cast<double>(store.stats().bytes) / static_cast<double>(before.disk_writes);
  std::vector<double> micros;
  for (const std::uint32_t user : zipf_order(kUsers, run.options.quick ? 2'000 : 20'000, 5)) {
    const auto request = request_of((user * 7'919ULL) % kUsers);
    const auto start = std::chrono::steady_clock::now();
    const auto answer = cache.answer({}, request);
    const double took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    CAIRN_CHECK(answer.ok());
    if (answer->kept && answer->kept->tier == Tier::kDisk) micros.push_back(took);
  }
  CAIRN_CHECK(!micros.empty());
  const std::string count = ", " + std::to_string(micros.size()) + " hits";
  run.report.add({.name = "kept answer from the disk, " + name + ", p50" + count,
                  .unit = "us",
                  .better = Better::kLess,
                  .value = at_share(micros, 0.5),
                  .peer = Peer{"computed anew, 40,000 places", real.computed_us}});
  run.report.add({.name = "kept answer from the disk, " + name + ", p95" + count,
                  .unit = "us",
                  .better = Better::kLess,
                  .value = at_share(micros, 0.95)});
  run.report.add({.name = "bytes of an answer on the disk, " + name,
                  .unit = "bytes",
                  .better = Better::kLess,
                  .value = disk_bytes,
                  .peer = Peer{"in memory, by its own count", static_cast<double>(memory_bytes)}});
}

}  // namespace

void disk_case(ServeRun& run) {
  const Real real = real_answers();
  measure(run, real, Compression::kLz4, "lz4");
  measure(run, real, Compression::kSnappy, "snappy");
  measure(run, real, Compression::kNone, "not compressed");
}

}  // namespace cairn::bench
