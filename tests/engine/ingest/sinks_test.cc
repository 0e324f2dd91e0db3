// What the sinks add to what they write into: dead letters before positions, and whose positions the API's are.
#include "engine/ingest/sinks.h"

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ranking/builtin_views.h"
#include "features/row.h"
#include "sql/memory/memory_database.h"
#include "tests/engine/state/crashing_store.h"

namespace {

using namespace cairn;
using ingest::DecodedBatch;
using Positions = std::vector<SourcePosition>;

constexpr Partition kOnly{0};

SourcePosition at(std::int64_t offset) { return {kOnly, Offset{offset}, ""}; }

std::vector<Interaction> visits(int count) {
  const Interaction visit{UserId("u"), PlaceId("p"), TypeIndex{2}, event_time_from_ms(1'700'000'000'000), {}, {}, ""};
  return std::vector<Interaction>(static_cast<std::size_t>(count), visit);
}

/// Dead letters whose file can be made to fail.
class FailingLetters final : public streaming::DeadLetters {
 public:
  Status append(std::span<const streaming::DeadLetter> letters) override {
    if (!trouble.ok()) return trouble;
    for (const streaming::DeadLetter& letter : letters) {
      CHECK(letter.incarnation == "life");
      offsets.push_back(letter.offset.value);
    }
    return ok_status();
  }
  Status settle(EventTime) override { return trouble; }
  Result<std::uint64_t> erase(const Wanted&) override { return std::uint64_t{0}; }
  Status find(const Wanted&, const std::function<void(std::string_view)>&) const override { return ok_status(); }
  [[nodiscard]] streaming::DeadLetterCounts counts() const override { return {}; }

  Status trouble;
  std::vector<std::int64_t> offsets;  ///< of the letters taken
};

struct Features {
  state::CrashingStore store;
  std::unique_ptr<state::FeatureState> state = *state::FeatureState::open(
      store, {.views = ranking::builtin_views(), .window = std::chrono::hours(1)}, InteractionTypes());
  FailingLetters letters;
  ManualClock clock{event_time_from_ms(1'700'000'000'000)};
  ingest::FeatureSink sink{*state, letters, clock};

  /// Two visits, and one record between them that was refused.
  Status apply(const Positions& before, const Positions& after) {
    const std::vector<ingest::Refused> refused{
        {kOnly, Offset{after[0].offset.value - 1}, "life", streaming::Reject::kMalformedJson, "bad", "{"}};
    const std::vector<Interaction> interactions = visits(2);
    return sink.apply("s", {.interactions = interactions, .refused = refused, .before = before, .after = after});
  }
};

TEST_CASE("nothing is applied of a batch whose dead letters cannot be written, until they can") {
  Features f;
  f.letters.trouble = resource_exhausted("the disk is full");
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(f.apply({}, {at(3)}).code() == StatusCode::kResourceExhausted);
    CHECK(f.state->positions("s").empty());
    CHECK(f.state->counters().applied == 0);
    CHECK(f.state->counters().rejected == 0);
    CHECK(f.sink.dead_letter_trouble() == "the disk is full");
  }
  f.letters.trouble = ok_status();
  f.sink.settle_dead_letters();
  CHECK_FALSE(f.sink.dead_letter_trouble().empty());  // a settle may have had nothing to write
  REQUIRE(f.apply({}, {at(3)}).ok());
  CHECK(f.letters.offsets == std::vector<std::int64_t>{2});
  CHECK(f.sink.dead_letter_trouble().empty());
  CHECK(f.state->counters().applied == 2);
  CHECK(f.state->counters().rejected == 1);
  CHECK(f.state->positions("s") == Positions{at(3)});
}

TEST_CASE("the letters of a batch that the state does not take are written all the same, before it") {
  Features f;
  REQUIRE(f.apply({}, {at(3)}).ok());
  f.store.refuse_writes(unavailable("the disk is gone"));
  CHECK_FALSE(f.state->flush().ok());
  CHECK(f.apply({at(3)}, {at(6)}).code() == StatusCode::kUnavailable);
  CHECK(f.letters.offsets == std::vector<std::int64_t>{2, 5});
  CHECK(f.state->positions("s") == Positions{at(3)});
}

TEST_CASE("a batch that does not follow buries nothing") {
  Features f;
  CHECK(f.apply({at(1)}, {at(3)}).code() == StatusCode::kAborted);
  CHECK(f.letters.offsets.empty());
}

TEST_CASE("trouble of a settle is told until one succeeds, and does not hide that of an append") {
  Features f;
  f.letters.trouble = unavailable("no file");
  f.sink.settle_dead_letters();
  CHECK(f.sink.dead_letter_trouble() == "no file");
  f.letters.trouble = unavailable("no disk");
  CHECK_FALSE(f.apply({}, {at(3)}).ok());
  f.letters.trouble = ok_status();
  f.sink.settle_dead_letters();
  CHECK(f.sink.dead_letter_trouble() == "no disk");
}

/// One database, and the sinks of state directories that write into it one after the other.
struct Tables {
  InteractionTypes types;
  sql::MemoryDatabase database{types, 1000};
  sql::Database roles = database.roles();

  ingest::SqlSink sink(streaming::LogIdentity log, std::int64_t log_end) const {
    return {*roles.materializer, *roles.upkeep, std::move(log), Offset{log_end}, Logger()};
  }
  static Positions resumed(ingest::Sink& sink, const std::string& source = std::string(ingest::kApiSource)) {
    const auto stored = sink.resume(source, std::span(&kOnly, 1));
    REQUIRE_MESSAGE(stored.ok(), stored.status().to_string());
    return *stored;
  }
  static Status apply(ingest::Sink& sink, int count, const Positions& before, const Positions& after) {
    const std::vector<Interaction> interactions = visits(count);
    return sink.apply(std::string(ingest::kApiSource),
                      {.interactions = interactions, .refused = {}, .before = before, .after = after});
  }
};

TEST_CASE("the log of a new state directory begins at its beginning, whatever an older one has written") {
  Tables tables;
  ingest::SqlSink old_one = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 0);
  CHECK(Tables::resumed(old_one).empty());
  REQUIRE(Tables::apply(old_one, 5, {}, {at(500)}).ok());

  ingest::SqlSink new_one = tables.sink({"bbbbbbbbbbbbbbbb", {}}, 0);
  CHECK(Tables::resumed(new_one).empty());
  REQUIRE(Tables::apply(new_one, 2, {}, {at(200)}).ok());
  CHECK(tables.database.interactions().size() == 7);

  ingest::SqlSink old_again = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 500);
  CHECK(Tables::resumed(old_again) == Positions{at(500)});
  CHECK(Tables::resumed(new_one) == Positions{at(200)});
}

TEST_CASE("a copy of a log begins where its original stands in the tables, and not behind what both have") {
  Tables tables;
  ingest::SqlSink original = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 0);
  CHECK(Tables::resumed(original).empty());
  REQUIRE(Tables::apply(original, 3, {}, {at(300)}).ok());
  CHECK(original.remark().empty());

  ingest::SqlSink ahead = tables.sink({"bbbbbbbbbbbbbbbb", {{"aaaaaaaaaaaaaaaa", Offset{400}}}}, 400);
  CHECK(Tables::resumed(ahead) == Positions{at(300)});
  CHECK(ahead.remark().empty());
  REQUIRE(Tables::apply(ahead, 1, {at(300)}, {at(400)}).ok());
  CHECK(Tables::resumed(ahead) == Positions{at(400)});

  ingest::SqlSink level = tables.sink({"ffffffffffffffff", {{"aaaaaaaaaaaaaaaa", Offset{300}}}}, 300);
  CHECK(Tables::resumed(level) == Positions{at(300)});
  CHECK(level.remark().empty());  // the tables hold what both have, and no more

  ingest::SqlSink behind = tables.sink({"cccccccccccccccc", {{"aaaaaaaaaaaaaaaa", Offset{250}}}}, 250);
  CHECK(Tables::resumed(behind) == Positions{at(250)});
  CHECK(behind.remark().find("up to offset 300") != std::string::npos);
  CHECK(behind.remark().find("up to offset 250") != std::string::npos);

  // The copy of a copy shares with the first what both copies have kept: the least of the ends.
  ingest::SqlSink grandchild =
      tables.sink({"dddddddddddddddd", {{"eeeeeeeeeeeeeeee", Offset{120}}, {"aaaaaaaaaaaaaaaa", Offset{280}}}}, 120);
  CHECK(Tables::resumed(grandchild) == Positions{at(120)});
}

/// A database whose schema cannot be made while there is trouble.
struct TroubledUpkeep final : sql::Upkeep {
  explicit TroubledUpkeep(sql::Upkeep& upkeep_) : upkeep(upkeep_) {}
  Status migrate() override { return trouble.ok() ? upkeep.migrate() : trouble; }
  Status ping() override { return ok_status(); }
  Status maintain(EventTime) override { return ok_status(); }
  sql::Upkeep& upkeep;
  Status trouble;
};

TEST_CASE("neither positions nor batches pass a schema that is not whole") {
  Tables tables;
  TroubledUpkeep upkeep(*tables.roles.upkeep);
  ingest::SqlSink sink(*tables.roles.materializer, upkeep, {"aaaaaaaaaaaaaaaa", {}}, Offset{0}, Logger());
  upkeep.trouble = failed_precondition("a newer program's schema");
  CHECK(sink.resume("file", std::span(&kOnly, 1)).status().message() == "a newer program's schema");
  CHECK(Tables::apply(sink, 1, {}, {at(100)}).message() == "a newer program's schema");
  CHECK(sink.migrations() == 0);
  CHECK(tables.database.interactions().empty());
  upkeep.trouble = ok_status();
  CHECK(Tables::resumed(sink, "file").empty());
  REQUIRE(Tables::apply(sink, 1, {}, {at(100)}).ok());
  CHECK(sink.migrations() == 1);
  CHECK(sink.rows() == 1);
}

TEST_CASE("tables that are ahead of the log's end at its opening are refused, and not those it wrote since") {
  Tables tables;
  ingest::SqlSink first = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 0);
  CHECK(Tables::resumed(first).empty());
  REQUIRE(Tables::apply(first, 3, {}, {at(300)}).ok());
  CHECK(Tables::resumed(first) == Positions{at(300)});  // written behind the end of then

  ingest::SqlSink older_copy = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 299);
  const auto refused = older_copy.resume(std::string(ingest::kApiSource), std::span(&kOnly, 1));
  CHECK(refused.status().code() == StatusCode::kDataLoss);
  CHECK(refused.status().message().find("--accept-log-loss") != std::string::npos);
  ingest::SqlSink same_end = tables.sink({"aaaaaaaaaaaaaaaa", {}}, 300);
  CHECK(Tables::resumed(same_end) == Positions{at(300)});
}

}  // namespace
