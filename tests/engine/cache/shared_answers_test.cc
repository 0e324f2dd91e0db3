#include "engine/cache/shared_answers.h"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/mutex.h"
#include "engine/cache/answer_cache.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using cache::AnswerCache;
using cache::SharedTier;
using TimePoint = std::chrono::steady_clock::time_point;

void await(const std::function<bool()>& over) {
  while (!over()) std::this_thread::yield();
}

/// What daemons share, in memory. Its clock is moved by the test.
struct Table {
  std::atomic<std::int64_t> now_ms{1'000'000};
  std::atomic<int> finds{0};
  std::atomic<bool> gone{false};
  Mutex mutex;
  std::map<std::pair<std::uint64_t, std::uint64_t>, SharedTier::Row> rows CAIRN_GUARDED_BY(mutex);

  [[nodiscard]] TimePoint now() const { return TimePoint(std::chrono::milliseconds(now_ms.load())); }
  std::size_t size() {
    const MutexLock lock(mutex);
    return rows.size();
  }
};

/// A daemon: a cache, what it knows, and its view of the table.
struct Daemon final : SharedTier {
  explicit Daemon(Table& shared, AnswerCacheOptions options = {}, std::unique_ptr<storage::PassingStore> disk = nullptr)
      : table(shared) {
    options.memory_bytes = options.memory_bytes == 0 ? 1 << 20 : options.memory_bytes;
    options.shared = true;
    const auto write_down = [this](LogLevel, std::string_view event, std::string_view,
                                   std::initializer_list<LogField> fields) {
      const MutexLock lock(log_mutex);
      log.push_back(std::string(event) + " " + fields.begin()->value);
    };
    cache = std::make_unique<AnswerCache>(
        options, [this](const CallContext& call, const RecommendRequest& request) { return compute(call, request); },
        [] { return std::uint64_t{1}; }, std::move(disk), [this] { return table.now(); }, Logger(write_down),
        AnswerCache::Knows{}, this);
  }
  ~Daemon() override { cache->stop(); }

  Result<Recommendations> compute(const CallContext&, const RecommendRequest& request) {
    const std::string read = "p" + std::to_string(value.load());
    before();
    ++computed;
    Recommendations answer;
    answer.freshness.watermarks = {{"kafka", {Partition{0}, Offset{offset.load()}}}};
    answer.items.edit().push_back({{PlaceId(read), "", *request.position, "cafe"}, 1.0, 0.0, {}});
    answer.next = "cursor of " + name;
    return answer;
  }

  // SharedTier
  [[nodiscard]] std::optional<Basis> basis_of(const RecommendRequest& request) const override {
    if (request.user.str().starts_with("stranger"))
      return Basis{"nothing", false, {{"kafka", {Partition{0}, Offset{offset.load()}}}}};
    return Basis{std::to_string(knows.load()), true, {}};
  }
  [[nodiscard]] std::int64_t invalidations() const override { return serial; }
  [[nodiscard]] bool as_new(const Freshness& freshness, SteadyTime) const override {
    return freshness.watermarks.at(0).position.offset.value >= offset;
  }
  void take_over(Recommendations* answer) const override { answer->next = "cursor of " + name; }
  [[nodiscard]] Result<std::optional<Found>> find(Key key, const UserId&, std::chrono::milliseconds) override {
    ++table.finds;
    if (table.gone) return unavailable("gone");
    const MutexLock lock(table.mutex);
    const auto found = table.rows.find({key.high, key.low});
    if (found == table.rows.end() || found->second.expires <= table.now()) return std::optional<Found>();
    return std::optional<Found>({found->second.bytes, found->second.made, found->second.expires});
  }
  Status write(std::span<const Row> rows) override {
    if (table.gone) return unavailable("gone");
    const MutexLock lock(table.mutex);
    for (const Row& row : rows) table.rows[{row.key.high, row.key.low}] = row;
    return ok_status();
  }
  Status keep_open() override { return closed ? unavailable("closed") : ok_status(); }

  Recommendations ask(const RecommendRequest& request) {
    auto answer = cache->answer({}, request);
    REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
    return *std::move(answer);
  }
  std::vector<std::string> logged() {
    const MutexLock lock(log_mutex);
    return log;
  }
  void await_written(std::uint64_t rows = 1) {
    await([&] { return cache->status().shared_writes >= rows; });
  }

  Table& table;
  std::string name = "a";
  std::atomic<bool> closed{false};  ///< no connection can be made
  Mutex log_mutex;
  std::vector<std::string> log CAIRN_GUARDED_BY(log_mutex);  ///< events, each with its first field
  std::atomic<int> computed{0};
  std::atomic<int> value{0};  ///< of the place that answers have
  std::atomic<int> knows{0};  ///< of users
  std::atomic<std::int64_t> offset{10};
  std::atomic<std::int64_t> serial{0};
  std::function<void()> before = [] {};
  std::unique_ptr<AnswerCache> cache;
};

RecommendRequest from(const std::string& user) { return {.user = UserId(user), .position = GeoPoint{40.7, -74.0}}; }

TEST_CASE("what one daemon has computed another gives, with its age, and from then on from memory") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  b.name = "b";
  (void)a.ask(from("u"));
  a.await_written();
  table.now_ms += 500;
  const Recommendations found = b.ask(from("u"));
  REQUIRE(found.kept);
  CHECK(found.kept->tier == Tier::kDatabase);
  CHECK(found.kept->age == 500ms);
  CHECK_FALSE(found.kept->stale);
  CHECK(found.items[0].place.id == PlaceId("p0"));
  CHECK(found.freshness.watermarks[0].position.offset == Offset{10});
  CHECK(found.next == "cursor of b");
  table.now_ms += 100;
  const Recommendations again = b.ask(from("u"));
  CHECK(again.kept->tier == Tier::kMemory);
  CHECK(again.kept->age == 600ms);
  CHECK(b.computed == 0);
  const AnswerCacheStatus status = b.cache->status();
  CHECK(status.shared_hits == 1);
  CHECK(status.hits == 2);
  CHECK(status.misses == 0);
  CHECK(status.shared_age_ms == 500);
  CHECK(status.memory_age_ms == 600);
}

TEST_CASE("a daemon that knows something else of the user computes, and so does one that has read further") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  (void)a.ask(from("u"));
  a.await_written();
  b.knows = 1;
  CHECK_FALSE(b.ask(from("u")).kept);
  b.knows = 0;
  b.offset = 11;
  CHECK_FALSE(b.ask(from("v")).kept);
  CHECK(b.cache->status().shared_hits == 0);
}

TEST_CASE("all of whom nothing is known have one answer, and nobody's name stands beside it") {
  Table table;
  Daemon a(table);
  (void)a.ask(from("stranger 1"));
  a.await_written();
  CHECK(a.ask(from("stranger 2")).kept->tier == Tier::kDatabase);
  CHECK(a.computed == 1);
  const MutexLock lock(table.mutex);
  REQUIRE(table.rows.size() == 1);
  CHECK_FALSE(table.rows.begin()->second.user);
  CHECK(table.rows.begin()->second.bytes.find("stranger") == std::string::npos);
}

TEST_CASE("an answer to nobody known says of no event that it reflects it, which this daemon has not seen yet") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  a.offset = 15;  // of the events up to here, one may be of the stranger who asks the other daemon
  (void)a.ask(from("stranger 1"));
  a.await_written();
  for (int i = 0; i < 2; ++i) {
    const Recommendations found = b.ask(from("stranger 2"));
    REQUIRE(found.kept);
    CHECK(found.freshness.watermarks == std::vector<Watermark>{{"kafka", {Partition{0}, Offset{10}}}});
  }
  CHECK(b.computed == 0);
}

TEST_CASE("an answer from a table is no older than this daemon lets answers grow, and says it when asked for less") {
  Table table;
  Daemon a(table, {.ttl = 60s, .ttl_min = 60s});
  Daemon b(table, {.ttl = 5s, .ttl_min = 1s, .stale = 0s});
  (void)a.ask(from("u"));
  a.await_written();
  table.now_ms += 4'000;
  RecommendRequest young = from("u");
  young.max_staleness = 3'999ms;
  CHECK_FALSE(b.ask(young).kept);
  RecommendRequest other = from("v");
  (void)a.ask(other);
  a.await_written(2);
  table.now_ms += 5'600;  // a tenth of jitter, and more
  CHECK_FALSE(b.ask(other).kept);
}

TEST_CASE("who asks for an offset is not answered from a table, nor with what came from there") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  (void)a.ask(from("u"));
  a.await_written();
  CHECK(b.ask(from("u")).kept->tier == Tier::kDatabase);
  RecommendRequest request = from("u");
  request.min_offset = Watermark{"kafka", {Partition{0}, Offset{10}}};
  CHECK_FALSE(b.ask(request).kept);
  CHECK(b.ask(request).kept->tier == Tier::kMemory);  // computed for that, and kept
}

TEST_CASE("a thousand who ask for the same at once cost one look into each tier and one computation") {
  const test::TemporaryFolder folder;
  Table table;
  auto disk = storage::PassingStore::open({.path = folder / "answers", .free_bytes_min = 1 << 20});
  REQUIRE(disk.ok());
  Daemon a(table, {.disk_bytes = 1 << 20}, *std::move(disk));
  std::atomic<bool> go_on{false};
  a.before = [&] { await([&] { return go_on.load(); }); };
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 1000; ++i) {
      threads.emplace_back([&] { answered += a.cache->answer({}, from("u")).ok() ? 1 : 0; });
    }
    await([&] { return a.cache->status().waited == 999; });
    go_on = true;
  }
  CHECK(answered == 1000);
  CHECK(a.computed == 1);
  CHECK(table.finds == 1);
  CHECK(a.cache->status().disk_misses == 1);
}

TEST_CASE("a thousand who ask for what the table has cost one look, and all are told where it comes from") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  (void)a.ask(from("u"));
  a.await_written();
  const int before = table.finds;
  std::atomic<int> told{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 1000; ++i) {
      threads.emplace_back([&] {
        const auto answer = b.cache->answer({}, from("u"));
        told += answer.ok() && answer->kept ? 1 : 0;
      });
    }
  }
  CHECK(told == 1000);
  CHECK(table.finds == before + 1);
  CHECK(b.computed == 0);
}

TEST_CASE("an answer that something happened to while it was computed, or while it waited, is not written") {
  Table table;
  Daemon a(table);
  const std::vector<std::function<void()>> happenings = {
      [&] {
        const Interaction one{UserId("u"), PlaceId("x"), TypeIndex{2}, event_time_from_ms(1), {}, {}, {}};
        a.cache->happened({&one, 1});
      },
      [&] { CHECK(a.cache->invalidate({.places = {"p0"}}).ok()); },
      [&] { ++a.knows; },  // an event that can be seen, of which nobody was told yet
  };
  for (const auto& happen : happenings) {
    a.before = happen;
    RecommendRequest request = from("u");
    request.max_staleness = 0ms;
    (void)a.ask(request);
  }
  a.before = [] {};
  (void)a.ask(from("v"));  // is written behind them
  a.await_written();
  CHECK(table.size() == 1);
}

TEST_CASE("who does not know yet what was said to be outdated writes nothing") {
  Table table;
  Daemon a(table);
  a.serial = -1;
  (void)a.ask(from("u"));
  CHECK(a.cache->status().shared_dropped == 1);
  a.serial = 7;
  (void)a.ask(from("v"));
  a.await_written();
  const MutexLock lock(table.mutex);
  REQUIRE(table.rows.size() == 1);
  CHECK(table.rows.begin()->second.invalidations == 7);
}

TEST_CASE("more computed answers than the budget has room for are dropped and counted") {
  Table table;
  Daemon a(table, {.shared_writes_per_second = 10});
  for (int i = 0; i < 100; ++i) (void)a.ask(from("u" + std::to_string(i)));
  a.await_written(10);
  CHECK(a.cache->status().shared_dropped == 90);
  table.now_ms += 500;
  for (int i = 0; i < 100; ++i) (void)a.ask(from("v" + std::to_string(i)));
  a.await_written(15);
  CHECK(a.cache->status().shared_dropped == 185);
}

TEST_CASE("a table that is gone costs nothing but computations, is told of, and is used again when it is back") {
  Table table;
  Daemon a(table);
  table.gone = true;
  CHECK_FALSE(a.ask(from("u")).kept);
  await([&] { return a.cache->status().shared_dropped == 1; });
  await([&] { return a.cache->status().shared_trouble == "gone"; });
  CHECK(a.cache->status().shared_passed == 1);
  table.gone = false;
  (void)a.ask(from("v"));
  a.await_written();
  await([&] { return a.cache->status().shared_trouble.empty(); });
}

TEST_CASE("a table that fails now and then is told of once, and once more when it has been well for a while") {
  constexpr int kTimes = 20;
  Table table;
  Daemon a(table);
  for (int i = 0; i < kTimes; ++i) {
    table.gone = true;
    (void)a.ask(from("u" + std::to_string(i)));
    await([&] { return a.cache->status().shared_dropped == static_cast<std::uint64_t>(i + 1); });
    CHECK(a.cache->status().shared_trouble == "gone");
    table.gone = false;
    (void)a.ask(from("v" + std::to_string(i)));
    a.await_written(static_cast<std::uint64_t>(i + 1));
    await([&] { return a.cache->status().shared_trouble.empty(); });
    table.now_ms += 300;
  }
  CHECK(a.logged().size() == 1);
  table.now_ms += 10'000;
  (void)a.ask(from("w"));
  await([&] { return a.logged().size() == 2; });
  // One look and one write in each round.
  CHECK(a.logged()[1] == "answers.shared " + std::to_string(2 * kTimes));
  CHECK(a.logged()[0].starts_with("answers.not_shared"));
}

TEST_CASE("that connections can be made again is noticed where nobody asks") {
  Table table;
  Daemon a(table);
  a.closed = true;
  await([&] { return a.cache->status().shared_trouble == "closed"; });
  a.closed = false;
  await([&] { return a.cache->status().shared_trouble.empty(); });
  table.now_ms += 10'000;
  await([&] { return a.logged().size() == 2; });
  CHECK(a.logged()[1].starts_with("answers.shared "));
}

TEST_CASE("bytes that are damaged, or of another key, are no answer") {
  Table table;
  Daemon a(table);
  Daemon b(table);
  (void)a.ask(from("u"));
  a.await_written();
  std::string whole;
  {
    const MutexLock lock(table.mutex);
    whole = table.rows.begin()->second.bytes;
  }
  const auto bytes = [&](const std::string& put) {
    const MutexLock lock(table.mutex);
    table.rows.begin()->second.bytes = put;
  };
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    bytes(damaged);
    Daemon c(table);
    c.serial = -1;  // writes nothing
    CHECK_FALSE(c.ask(from("u")).kept);
    bytes(whole.substr(0, at));
    Daemon d(table);
    d.serial = -1;
    CHECK_FALSE(d.ask(from("u")).kept);
  }
  bytes(whole);
  CHECK(b.ask(from("u")).kept);
  {
    // The answer to another question under the same hash.
    const MutexLock lock(table.mutex);
    table.rows.begin()->second.bytes = whole;
  }
  (void)a.ask(from("v"));
  a.await_written(2);
  {
    const MutexLock lock(table.mutex);
    std::swap(table.rows.begin()->second.bytes, table.rows.rbegin()->second.bytes);
  }
  Daemon c(table);
  CHECK_FALSE(c.ask(from("u")).kept);
  CHECK_FALSE(c.ask(from("v")).kept);
}

}  // namespace
