#include "engine/cache/answer_cache.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/cache/answer_codec.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using namespace std::chrono_literals;
using cache::AnswerCache;

/// What computes answers, counted, with a clock that a test moves.
struct Source {
  std::atomic<int> computed{0};
  std::atomic<int> value{0};  ///< of the place that answers have
  std::atomic<std::uint64_t> generation{1};
  std::atomic<std::int64_t> now_ms{1'000'000};
  std::function<Status(const CallContext&)> before = [](const CallContext&) { return ok_status(); };
  std::atomic<bool> degraded{false};
  std::atomic<bool> empty{false};
  std::atomic<std::size_t> places{1};
  std::atomic<bool> knows_all{true};

  Result<Recommendations> compute(const CallContext& call, const RecommendRequest& request) {
    // What is read is read first; what happens while it is worked on is for later answers.
    const int read = value.load();
    CAIRN_RETURN_IF_ERROR(before(call));
    computed.fetch_add(1);
    Recommendations answer;
    answer.degraded = degraded;
    answer.freshness.watermarks = {{"api", {Partition{0}, Offset{10}}}};
    for (std::size_t i = empty ? 0 : places.load(); i > 0; --i) {
      answer.items.edit().push_back(
          {{PlaceId("p" + std::to_string(read)), "", *request.position, "cafe"}, 1.0, 0.0, {}});
    }
    return answer;
  }
  void advance(std::chrono::milliseconds by) { now_ms += by.count(); }

  std::unique_ptr<AnswerCache> cache(AnswerCacheOptions options = {},
                                     std::unique_ptr<storage::PassingStore> disk = nullptr) {
    if (options.memory_bytes == 0) options.memory_bytes = 1 << 20;
    return std::make_unique<AnswerCache>(
        options, [this](const CallContext& call, const RecommendRequest& request) { return compute(call, request); },
        [this] { return generation.load(); }, std::move(disk),
        [this] { return std::chrono::steady_clock::time_point(std::chrono::milliseconds(now_ms.load())); }, Logger(),
        [this](const UserId& user) { return knows_all || user == UserId("known"); });
  }
};

RecommendRequest from(const std::string& user) { return {.user = UserId(user), .position = GeoPoint{40.7, -74.0}}; }

Recommendations ask(AnswerCache& cache, const RecommendRequest& request) {
  auto answer = cache.answer({}, request);
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  return *std::move(answer);
}

Interaction event_of(const std::string& user) {
  return {UserId(user), PlaceId("x"), TypeIndex{2}, event_time_from_ms(1), {}, {}, {}};
}

void await(const std::function<bool()>& over) {
  while (!over()) std::this_thread::yield();
}

std::shared_ptr<const AnswerMemo::Text> memo_text(std::string text) {
  return std::make_shared<AnswerMemo::Text>(AnswerMemo::Text{std::move(text), ""});
}

TEST_CASE("the same question is answered once, and the second answer says where it comes from and how old it is") {
  Source source;
  const auto cache = source.cache();
  CHECK_FALSE(ask(*cache, from("u")).kept);
  source.advance(500ms);
  const Recommendations again = ask(*cache, from("u"));
  REQUIRE(again.kept);
  CHECK(again.kept->tier == Tier::kMemory);
  CHECK(again.kept->age == 500ms);
  CHECK_FALSE(again.kept->stale);
  CHECK(source.computed == 1);
  (void)ask(*cache, from("v"));
  CHECK(source.computed == 2);
  const AnswerCacheStatus status = cache->status();
  CHECK(status.hits == 1);
  CHECK(status.misses == 2);
  CHECK(status.entries == 2);
  CHECK(status.bytes > 0);
  CHECK(status.hit_ratio() == doctest::Approx(1.0 / 3.0));
}

TEST_CASE("a user's own event makes that user's answers outdated, and nobody else's") {
  Source source;
  const auto cache = source.cache();
  (void)ask(*cache, from("u"));
  (void)ask(*cache, from("v"));
  source.value = 1;
  const Interaction one = event_of("u");
  cache->happened({&one, 1});
  CHECK(ask(*cache, from("u")).items[0].place.id == PlaceId("p1"));
  CHECK(ask(*cache, from("v")).items[0].place.id == PlaceId("p0"));
  CHECK(cache->status().outdated == 1);
}

TEST_CASE("another catalogue, model or ranker makes all answers outdated") {
  Source source;
  const auto cache = source.cache();
  (void)ask(*cache, from("u"));
  source.generation = 2;
  CHECK_FALSE(ask(*cache, from("u")).kept);
  CHECK(ask(*cache, from("u")).kept);
}

TEST_CASE("naming a user, a place of an answer, its category or the cell it was asked from makes it outdated") {
  // 40.7, -74.0 lies in dr5rs (geohash.org).
  const std::vector<AnswerTags> naming = {{.users = {"u"}},     {.places = {"p0"}},      {.categories = {"cafe"}},
                                          {.cells = {"dr5rs"}}, {.cells = {"DR5RS7zz"}}, {.all = true}};
  for (const AnswerTags& tags : naming) {
    Source source;
    const auto cache = source.cache();
    (void)ask(*cache, from("u"));
    CHECK(cache->invalidate({.users = {"w"}, .places = {"p7"}, .categories = {"museum"}, .cells = {"u33db"}}).ok());
    CHECK(ask(*cache, from("u")).kept);
    CHECK(cache->invalidate(tags).ok());
    CHECK_FALSE(ask(*cache, from("u")).kept);
  }
}

TEST_CASE("what is no cell is refused, and then nothing is outdated") {
  Source source;
  const auto cache = source.cache();
  (void)ask(*cache, from("u"));
  for (const char* cell : {"", "x", "dr5r", "aaaaa", "dr5r!"}) {
    CHECK(cache->invalidate({.users = {"u"}, .cells = {cell}}).code() == StatusCode::kInvalidArgument);
  }
  CHECK(ask(*cache, from("u")).kept);
}

TEST_CASE("a name that is empty names nothing, is refused, and then nothing is outdated") {
  Source source;
  const auto cache = source.cache();
  (void)ask(*cache, from("u"));
  const AnswerTags all[] = {
      {.users = {"u", ""}}, {.users = {"u"}, .places = {""}}, {.users = {"u"}, .categories = {""}}};
  for (const AnswerTags& tags : all) {
    CHECK(AnswerCache::check(tags).code() == StatusCode::kInvalidArgument);
    CHECK(cache->invalidate(tags).code() == StatusCode::kInvalidArgument);
  }
  const std::string why = cache->invalidate({.categories = {"cafe", ""}}).message();
  CHECK_MESSAGE(why.find("name such places themselves") != std::string::npos, why);
  CHECK(ask(*cache, from("u")).kept);
}

TEST_CASE("what happens while an answer is computed makes that answer one that is not given again") {
  const std::vector<std::function<void(Source&, AnswerCache&)>> happenings = {
      [](Source&, AnswerCache& cache) {
        const Interaction one = event_of("u");
        cache.happened({&one, 1});
      },
      [](Source& source, AnswerCache&) { source.generation = 2; },
      [](Source&, AnswerCache& cache) { CHECK(cache.invalidate({.places = {"p0"}}).ok()); },
      [](Source&, AnswerCache& cache) { CHECK(cache.invalidate({.all = true}).ok()); },
  };
  for (const auto& happen : happenings) {
    Source source;
    const auto cache = source.cache();
    source.before = [&](const CallContext&) {
      happen(source, *cache);
      return ok_status();
    };
    (void)ask(*cache, from("u"));
    source.before = [](const CallContext&) { return ok_status(); };
    CHECK_FALSE(ask(*cache, from("u")).kept);
    CHECK(source.computed == 2);
  }
}

TEST_CASE("an answer lives as long as its time to live, is then marked as stale, and is gone after that") {
  Source source;
  const auto cache = source.cache({.ttl = 10s, .ttl_min = 10s, .stale = 5s});
  (void)ask(*cache, from("u"));
  source.advance(8'900ms);  // a tenth of jitter
  CHECK_FALSE(ask(*cache, from("u")).kept->stale);
  source.advance(2'200ms);
  source.value = 1;
  const Recommendations stale = ask(*cache, from("u"));
  REQUIRE(stale.kept);
  CHECK(stale.kept->stale);
  CHECK(stale.items[0].place.id == PlaceId("p0"));
  // Meanwhile it is computed anew, and given from then on.
  await([&] { return cache->status().refreshes == 1; });
  await([&] { return ask(*cache, from("u")).items[0].place.id == PlaceId("p1"); });
  CHECK_FALSE(ask(*cache, from("u")).kept->stale);
  source.advance(16'100ms);
  CHECK_FALSE(ask(*cache, from("u")).kept);
}

TEST_CASE("a user's event is never answered with a stale answer") {
  Source source;
  const auto cache = source.cache({.ttl = 10s, .ttl_min = 10s, .stale = 5s});
  (void)ask(*cache, from("u"));
  source.advance(12s);
  const Interaction one = event_of("u");
  cache->happened({&one, 1});
  CHECK_FALSE(ask(*cache, from("u")).kept);
}

TEST_CASE("a time to live doubles while the same places come again, and halves when others do") {
  Source source;
  const auto cache = source.cache({.ttl = 8s, .ttl_min = 1s, .stale = 0s});
  // How long an answer is given again, in steps of a quarter of a second; computing it anew ends the search.
  const auto lifetime = [&] {
    std::chrono::milliseconds age = 0ms;
    while (ask(*cache, from("u")).kept) {
      source.advance(50ms);
      age += 50ms;
    }
    return age;
  };
  CHECK_FALSE(ask(*cache, from("u")).kept);
  const auto within = [](std::chrono::milliseconds age, std::chrono::milliseconds wanted) {
    return age >= wanted * 9 / 10 && age <= wanted * 11 / 10 + 50ms;
  };
  CHECK(within(lifetime(), 1s));
  CHECK(within(lifetime(), 2s));
  CHECK(within(lifetime(), 4s));
  CHECK(within(lifetime(), 8s));
  source.value = 1;
  CHECK(within(lifetime(), 8s));  // that it has changed shows when it is computed, after this
  CHECK(within(lifetime(), 4s));
}

TEST_CASE("a caller may ask for an answer that is younger, or computed, or reflects an offset") {
  Source source;
  const auto cache = source.cache();
  (void)ask(*cache, from("u"));
  source.advance(500ms);
  RecommendRequest request = from("u");
  request.max_staleness = 500ms;
  CHECK(ask(*cache, request).kept);
  request.max_staleness = 499ms;
  CHECK_FALSE(ask(*cache, request).kept);
  request.max_staleness = 0ms;
  CHECK_FALSE(ask(*cache, request).kept);
  CHECK(ask(*cache, from("u")).kept->age == 0ms);  // what was computed for that is kept
  request = from("u");
  request.min_offset = Watermark{"api", {Partition{0}, Offset{10}}};
  CHECK(ask(*cache, request).kept);
  request.min_offset->position.offset = Offset{11};
  CHECK_FALSE(ask(*cache, request).kept);
  request.min_offset->source = "kafka";
  CHECK_FALSE(ask(*cache, request).kept);
}

TEST_CASE("a thousand who ask for the same at once wait for one computation") {
  Source source;
  const auto cache = source.cache();
  std::atomic<bool> go_on{false};
  source.before = [&](const CallContext&) {
    await([&] { return go_on.load(); });
    return ok_status();
  };
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 1000; ++i) {
      threads.emplace_back([&] {
        const auto answer = cache->answer({}, from("u"));
        if (answer.ok() && answer->items.size() == 1) ++answered;
      });
    }
    await([&] { return cache->status().waited == 999; });
    go_on = true;
  }
  CHECK(answered == 1000);
  CHECK(source.computed == 1);
}

TEST_CASE("who asks after something happened does not wait for a computation that began before") {
  Source source;
  const auto cache = source.cache();
  std::atomic<int> begun{0};
  std::atomic<bool> go_on{false};
  source.before = [&](const CallContext&) {
    if (begun.fetch_add(1) == 0) await([&] { return go_on.load(); });
    return ok_status();
  };
  std::jthread first([&] { (void)cache->answer({}, from("u")); });
  await([&] { return begun.load() == 1; });
  source.value = 1;
  const Interaction one = event_of("u");
  cache->happened({&one, 1});
  CHECK(ask(*cache, from("u")).items[0].place.id == PlaceId("p1"));
  go_on = true;
  first.join();
  CHECK(ask(*cache, from("u")).items[0].place.id == PlaceId("p1"));
}

TEST_CASE("when the one who computes gives up, another who still waits computes") {
  Source source;
  const auto cache = source.cache();
  std::atomic<int> begun{0};
  std::stop_source gone;
  source.before = [&](const CallContext& call) {
    if (begun.fetch_add(1) > 0) return ok_status();
    await([&] { return call.cancelled.stop_requested(); });
    return call.check();
  };
  std::jthread first([&] { CHECK_FALSE(cache->answer({.cancelled = gone.get_token()}, from("u")).ok()); });
  await([&] { return begun.load() == 1; });
  std::jthread second([&] { CHECK(cache->answer({}, from("u")).ok()); });
  await([&] { return cache->status().waited == 1; });
  gone.request_stop();
}

TEST_CASE("who waits for another's computation gives up at the own deadline, and errors are shared and not kept") {
  Source source;
  const auto cache = source.cache();
  std::atomic<bool> go_on{false};
  std::atomic<int> begun{0};
  source.before = [&](const CallContext&) {
    ++begun;
    await([&] { return go_on.load(); });
    return invalid_argument("no such segment");
  };
  std::jthread first([&] { CHECK(cache->answer({}, from("u")).status().code() == StatusCode::kInvalidArgument); });
  await([&] { return begun.load() == 1; });
  CHECK(cache->answer(CallContext::within(1ms), from("u")).status().code() == StatusCode::kDeadlineExceeded);
  std::jthread third([&] { CHECK(cache->answer({}, from("u")).status().code() == StatusCode::kInvalidArgument); });
  await([&] { return cache->status().waited == 2; });
  go_on = true;
  first.join();
  third.join();
  CHECK(begun == 1);
  source.before = [](const CallContext&) { return ok_status(); };
  CHECK_FALSE(ask(*cache, from("u")).kept);
}

TEST_CASE("an answer before an offset was reached is not given to others, and an empty one not for long") {
  Source source;
  const auto cache = source.cache({.ttl = 60s, .ttl_min = 1s, .stale = 0s});
  source.degraded = true;
  (void)ask(*cache, from("u"));
  CHECK_FALSE(ask(*cache, from("u")).kept);
  source.degraded = false;
  source.empty = true;
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(ask(*cache, from("v")).kept);
    CHECK(ask(*cache, from("v")).kept);
    source.advance(1'200ms);
  }
}

TEST_CASE("answers stay within their memory, and without memory none is kept") {
  Source source;
  const auto cache = source.cache({.memory_bytes = 200'000});
  for (int i = 0; i < 2'000; ++i) (void)ask(*cache, from("u" + std::to_string(i)));
  CHECK(cache->status().bytes <= 200'000);
  CHECK(cache->status().evictions > 0);
  AnswerCache none(
      {}, [&](const CallContext& call, const RecommendRequest& request) { return source.compute(call, request); },
      [] { return std::uint64_t{0}; });
  const int before = source.computed;
  for (int i = 0; i < 3; ++i) CHECK_FALSE(ask(none, from("u")).kept);
  CHECK(source.computed == before + 3);
  CHECK(none.status().passed == 3);
}

TEST_CASE("with the least useful memory twenty places with their reasons are kept, and with far less nothing") {
  const auto kept = [](std::size_t memory_bytes) {
    AnswerCache cache(
        {.memory_bytes = memory_bytes},
        [](const CallContext&, const RecommendRequest&) {
          Recommendations answer;
          const Reason reason{"distance", 0.5, 0.5, std::string(60, 'x')};
          for (int i = 0; i < 20; ++i) {
            answer.items.edit().push_back(
                {{PlaceId("place" + std::to_string(i)), std::string(40, 'n'), {}, "cafe"}, 1.0, 0.0, {}});
            answer.items.edit().back().reasons = {reason, reason, reason};
          }
          return answer;
        },
        [] { return std::uint64_t{1}; });
    for (int i = 0; i < 10; ++i) (void)ask(cache, from("u" + std::to_string(i)));
    return cache.status().entries;
  };
  CHECK(kept(kAnswerMemoryUseful) == 10);
  CHECK(kept(32 << 10) == 0);
}

TEST_CASE("a text that is made of a kept answer stands beside it, once, and counts as its memory") {
  Source source;
  auto cache = source.cache({.memory_bytes = 2'000'000});
  (void)ask(*cache, from("u"));
  const std::uint64_t before = cache->status().bytes;
  const auto memo = ask(*cache, from("u")).kept->memo;
  REQUIRE(memo);
  CHECK(memo->text() == nullptr);
  memo->keep(memo_text(std::string(10'000, 'a')));
  memo->keep(memo_text("another"));
  CHECK(ask(*cache, from("u")).kept->memo->text()->text == std::string(10'000, 'a'));
  CHECK(cache->status().bytes >= before + 10'000);
  // Of another answer it is not the text, and it may outlive its own.
  const Interaction one = event_of("u");
  cache->happened({&one, 1});
  (void)ask(*cache, from("u"));
  CHECK(ask(*cache, from("u")).kept->memo->text() == nullptr);
  CHECK(cache->status().bytes == before);
  (void)ask(*cache, from("v"));
  const auto orphan = ask(*cache, from("v")).kept->memo;
  cache.reset();
  orphan->keep(memo_text("nobody counts this"));
  CHECK(orphan->text()->text == "nobody counts this");
}

// ---- on disk --------------------------------------------------------------------------------------------------------

std::unique_ptr<storage::PassingStore> disk_in(const test::TemporaryFolder& folder) {
  auto disk = storage::PassingStore::open({.path = folder / "answers", .free_bytes_min = 1 << 20});
  REQUIRE_MESSAGE(disk.ok(), disk.status().to_string());
  return *std::move(disk);
}

/// More answers than memory has room for; the first are on disk then.
std::unique_ptr<AnswerCache> overflowing(Source& source, const test::TemporaryFolder& folder) {
  auto cache = source.cache({.memory_bytes = 200'000, .ttl = 60s, .ttl_min = 60s, .stale = 5s, .disk_bytes = 64 << 20},
                            disk_in(folder));
  for (int i = 0; i < 1'000; ++i) (void)ask(*cache, from("u" + std::to_string(i)));
  await([&] {
    const AnswerCacheStatus status = cache->status();
    return status.disk_writes + status.disk_dropped == status.evictions;
  });
  CHECK(cache->status().disk_writes > 500);
  return cache;
}

TEST_CASE("an answer that memory had no room for comes from the disk, is whole, and is in memory again") {
  const test::TemporaryFolder folder;
  Source source;
  const auto cache = overflowing(source, folder);
  const int computed = source.computed;
  source.advance(3s);
  const Recommendations found = ask(*cache, from("u0"));
  REQUIRE(found.kept);
  CHECK(found.kept->tier == Tier::kDisk);
  CHECK(found.kept->age == 3s);
  CHECK(found.items[0].place.id == PlaceId("p0"));
  CHECK(found.items[0].place.category == "cafe");
  CHECK(found.freshness.watermarks.at(0).position.offset == Offset{10});
  CHECK(ask(*cache, from("u0")).kept->tier == Tier::kMemory);
  CHECK(source.computed == computed);
  CHECK(cache->status().disk_hits == 1);
}

TEST_CASE("what has happened makes answers on disk outdated as well, and none there is given when it is old") {
  const std::vector<std::function<void(Source&, AnswerCache&)>> happenings = {
      [](Source&, AnswerCache& cache) {
        const Interaction one = event_of("u0");
        cache.happened({&one, 1});
      },
      [](Source& source, AnswerCache&) { source.generation = 2; },
      [](Source&, AnswerCache& cache) { CHECK(cache.invalidate({.places = {"p0"}}).ok()); },
      [](Source&, AnswerCache& cache) { CHECK(cache.invalidate({.all = true}).ok()); },
      [](Source& source, AnswerCache&) { source.advance(67s); },
  };
  for (const auto& happen : happenings) {
    const test::TemporaryFolder folder;
    Source source;
    const auto cache = overflowing(source, folder);
    happen(source, *cache);
    CHECK_FALSE(ask(*cache, from("u0")).kept);
    CHECK(cache->status().disk_misses >= 1);
  }
}

TEST_CASE("an answer that is too large for memory goes to the disk, once") {
  const test::TemporaryFolder folder;
  Source source;
  const auto cache =
      source.cache({.memory_bytes = 16'000, .ttl = 60s, .ttl_min = 60s, .disk_bytes = 64 << 20}, disk_in(folder));
  (void)ask(*cache, from("u"));
  await([&] { return cache->status().disk_writes == 1; });
  CHECK(cache->status().entries == 0);
  for (int i = 0; i < 3; ++i) CHECK(ask(*cache, from("u")).kept->tier == Tier::kDisk);
  CHECK(cache->status().disk_writes == 1);
  CHECK(source.computed == 1);
}

/// Fails to write until it is cleared.
class FailingStore final : public storage::PassingStore {
 public:
  Result<std::optional<std::string>> get(std::string_view) override { return std::optional<std::string>(); }
  Status put(std::string_view, std::string_view) override {
    return failing ? unavailable("the disk is gone") : Status();
  }
  Status clear() override {
    failing = false;
    return {};
  }
  Status flush() override { return {}; }
  [[nodiscard]] storage::PassingStoreStats stats() const override { return {}; }

  std::atomic<bool> failing{true};
};

TEST_CASE("a disk that fails is told of, and tried again anew") {
  Source source;
  std::atomic<int> warnings{0};
  std::atomic<int> remarks{0};
  const Logger log([&](LogLevel level, std::string_view, std::string_view, std::initializer_list<LogField>) {
    ++(level == LogLevel::kWarning ? warnings : remarks);
  });
  AnswerCache cache(
      {.memory_bytes = 16'000, .disk_bytes = 1 << 20},
      [&](const CallContext& call, const RecommendRequest& request) { return source.compute(call, request); },
      [] { return std::uint64_t{1}; }, std::make_unique<FailingStore>(),
      [] { return std::chrono::steady_clock::now(); }, log);
  (void)ask(cache, from("u"));
  await([&] { return cache.status().disk_dropped == 1; });
  await([&] { return cache.status().disk_trouble == "the disk is gone"; });
  CHECK(warnings == 1);
  (void)ask(cache, from("v"));  // the store has been made anew
  await([&] { return cache.status().disk_writes == 1; });
  await([&] { return cache.status().disk_trouble.empty(); });
  CHECK(remarks == 1);
}

TEST_CASE("a user who is forgotten is in no answer any more, and in no file") {
  const test::TemporaryFolder folder;
  Source source;
  const auto cache = overflowing(source, folder);
  REQUIRE(cache->forget(UserId("u0")).ok());
  CHECK_FALSE(ask(*cache, from("u0")).kept);
  // What is evicted from now on is not the user's answer of before.
  for (int i = 1'000; i < 1'200; ++i) (void)ask(*cache, from("v" + std::to_string(i)));
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder.path())) {
    CHECK_MESSAGE(file.path().extension() != ".sst", file.path().string());
  }
}

TEST_CASE("an answer goes through bytes unchanged, and no other bytes are taken for one") {
  Recommendations answer;
  answer.items = {{{PlaceId("p"), "Caf\xc3\xa9", {1.5, -2.5}, "cafe"},
                   0.25,
                   12.5,
                   {{"habit", 1.0, 2.0, "often"}, {}},
                   {{"near", 1.0, -2.0, "far"}},
                   "Often."},
                  {}};
  answer.candidates = 7;
  answer.next = "ab";
  answer.known_by = UserKnownBy::kSegment;
  answer.ranker = 3;
  answer.model = "m-1";
  answer.segment = 5;
  answer.explored = ExploreMethod::kThompson;
  answer.shortfall = "few";
  answer.freshness = {{{"kafka", {Partition{3}, Offset{9}}}},
                      {{"api", {Partition{0}, Offset{1}}}},
                      event_time_from_ms(123),
                      Tier::kDisk};
  cache::ByteWriter out;
  cache::write_answer(answer, &out);
  const std::string bytes = std::move(out).take();
  cache::ByteReader in(bytes);
  Recommendations read;
  REQUIRE(cache::read_answer(&in, &read));
  CHECK(in.at_end());
  cache::ByteWriter again;
  cache::write_answer(read, &again);
  CHECK(std::move(again).take() == bytes);
  CHECK(read.items[0].place.name == "Caf\xc3\xa9");
  CHECK(read.items[0].reasons.at(0).text == "often");
  CHECK(read.items[0].against.at(0).text == "far");
  CHECK(read.items[0].because == "Often.");
  CHECK(read.segment == 5U);
  CHECK(read.freshness.watermarks.at(0).position.partition == Partition{3});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    cache::ByteReader part(std::string_view(bytes).substr(0, cut));
    CHECK_FALSE(cache::read_answer(&part, &read));
  }
}

TEST_CASE("answers are right while users act, answers grow old and names are invalidated, all at once") {
  Source source;
  const auto cache = source.cache({.ttl = 20ms, .ttl_min = 5ms, .stale = 5ms});
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; !done.load(); ++i) {
          const auto answer = cache->answer({}, from("u" + std::to_string((i + t) % 5)));
          if (!answer.ok() || answer->items.size() != 1) ++wrong;
        }
      });
    }
    threads.emplace_back([&] {
      // Only this thread changes what answers say, and so knows what one to itself must say afterwards.
      for (int i = 1; i <= 2'000; ++i) {
        source.value = i;
        const Interaction one = event_of("me");
        cache->happened({&one, 1});
        if (i % 7 == 0) CHECK(cache->invalidate({.categories = {"cafe"}}).ok());
        const auto mine = cache->answer({}, from("me"));
        if (!mine.ok() || mine->items[0].place.id != PlaceId("p" + std::to_string(i))) ++wrong;
        source.advance(1ms);
      }
      done = true;
    });
  }
  CHECK(wrong == 0);
}

// ---- what many share ----------------------------------------------------------------------------------------------

RecommendRequest in_cell(const std::string& user, const std::string& cell = "dr5ru7") {
  return {.user = UserId(user), .cell = cell};
}

TEST_CASE("all who ask for nobody from one cell get one answer, wherever in it they are") {
  Source source;
  const auto cache = source.cache();
  RecommendRequest here{.position = GeoPoint{40.7580, -73.9855}, .snap = true};
  RecommendRequest near{.position = GeoPoint{40.7581, -73.9860}, .snap = true};
  CHECK_FALSE(ask(*cache, here).kept);
  CHECK(ask(*cache, near).kept);
  CHECK(ask(*cache, in_cell("")).kept);
  CHECK(source.computed == 1);
  near.position = GeoPoint{40.80, -73.9860};
  CHECK_FALSE(ask(*cache, near).kept);
}

TEST_CASE("users of whom nothing is known share the answer of their cell, until something is") {
  Source source;
  source.knows_all = false;
  const auto cache = source.cache();
  CHECK_FALSE(ask(*cache, in_cell("")).kept);
  CHECK(ask(*cache, in_cell("stranger")).kept);
  CHECK(ask(*cache, in_cell("another")).kept);
  CHECK(source.computed == 1);
  CHECK_FALSE(ask(*cache, in_cell("known")).kept);
  CHECK(source.computed == 2);
  // An event of theirs, and they are answered for themselves.
  source.knows_all = true;
  const Interaction one = event_of("stranger");
  cache->happened({&one, 1});
  CHECK_FALSE(ask(*cache, in_cell("stranger")).kept);
  CHECK(source.computed == 3);
}

TEST_CASE("a stranger whose first event comes while everybody's answer is computed is answered for himself") {
  Source source;
  source.knows_all = false;
  const auto cache = source.cache();
  source.before = [&](const CallContext&) {
    source.knows_all = true;  // the answer says that it is of after this event, and knows nothing of him
    return ok_status();
  };
  CHECK_FALSE(ask(*cache, in_cell("stranger")).kept);
  CHECK(source.computed == 2);
  CHECK(ask(*cache, in_cell("stranger")).kept);
}

TEST_CASE("who must see an event of his own is not answered for everybody, whatever is known of him yet") {
  Source source;
  source.knows_all = false;
  const auto cache = source.cache();
  (void)ask(*cache, in_cell(""));
  RecommendRequest mine = in_cell("stranger");
  mine.min_offset = Watermark{"api", {Partition{0}, Offset{5}}};  // which answers reflect
  CHECK_FALSE(ask(*cache, mine).kept);
}

TEST_CASE("an answer that was warmed is given for as long as the longest, and is made anew before it ends") {
  Source source;
  const auto cache = source.cache({.ttl = 30s, .ttl_min = 2s, .stale = 0ms});
  REQUIRE(cache->warm({}, in_cell(""), 10s).value());
  CHECK_FALSE(cache->warm({}, in_cell(""), 10s).value());
  source.advance(15s);
  CHECK(ask(*cache, in_cell("")).kept);
  CHECK_FALSE(cache->warm({}, in_cell(""), 10s).value());
  source.advance(10s);  // 30 s, give or take a tenth, are nearly over
  CHECK(cache->warm({}, in_cell(""), 10s).value());
  CHECK(source.computed == 2);
  const AnswerCacheStatus status = cache->status();
  CHECK(status.hits == 1);
  CHECK(status.misses == 0);
}

TEST_CASE("what is in memory is had at once, and counts as a hit then alone") {
  Source source;
  const auto cache = source.cache();
  CHECK_FALSE(cache->kept(from("u")));
  CHECK(cache->status().hits == 0);
  (void)ask(*cache, from("u"));
  const auto unwritten = cache->kept(from("u"));
  REQUIRE(unwritten);
  REQUIRE(unwritten->kept->memo);
  CHECK_FALSE(unwritten->kept->memo->text());
  unwritten->kept->memo->keep(memo_text("text"));
  const auto kept = cache->kept(from("u"));
  REQUIRE(kept);
  CHECK(kept->kept->memo->text()->text == "text");
  CHECK(cache->status().hits == 2);
  const Interaction one = event_of("u");
  cache->happened({&one, 1});
  CHECK_FALSE(cache->kept(from("u")));
  CHECK(cache->status().misses == 1);
  CHECK_FALSE(cache->kept(in_cell("", "nowhere!")));
  CHECK(source.computed == 1);
}

TEST_CASE("what was warmed, or made anew in the background, is had at once when it is asked for next") {
  Source source;
  const auto cache = source.cache({.ttl = 10s, .ttl_min = 10s, .stale = 60s});
  REQUIRE(cache->warm({}, from("u"), 1s).value());
  CHECK(cache->kept(from("u")));
  source.advance(15s);
  source.value = 1;
  const auto stale = cache->kept(from("u"));  // which asks for a new one
  REQUIRE(stale);
  CHECK(stale->kept->stale);
  await([&] { return cache->status().refreshes == 1; });
  const auto made_anew = cache->kept(from("u"));
  REQUIRE(made_anew);
  CHECK_FALSE(made_anew->kept->stale);
  CHECK(made_anew->items[0].place.id == PlaceId("p1"));
}

TEST_CASE("an answer of many places is had at once when its text has been written") {
  Source source;
  for (const std::size_t places : {100, 101}) {
    source.places = places;
    const auto cache = source.cache({.memory_bytes = 64 << 20});
    (void)ask(*cache, from("u"));
    CHECK(cache->kept(from("u")).has_value() == (places == 100));
    ask(*cache, from("u")).kept->memo->keep(memo_text("text"));
    CHECK(cache->kept(from("u")));
  }
}

}  // namespace
