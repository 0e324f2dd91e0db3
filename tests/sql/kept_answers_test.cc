#include "sql/kept_answers.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "sql/invalidations.h"
#include "tests/sql/interaction_stream.h"

namespace cairn::sql {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using Key = KeptAnswers::Key;

KeptAnswers::Row row_of(Key key, const std::string& answer, std::chrono::milliseconds age = 0ms,
                        std::chrono::milliseconds left = 60s) {
  const auto now = steady_clock::now();
  return {.key = key, .user = "ann", .made = now - age, .expires = now + left, .tags = {"p:moma"}, .answer = answer};
}

std::unique_ptr<KeptAnswers> opened(const SqlOptions& options, int connections = 2) {
  auto answers = open_kept_answers(options, connections);
  REQUIRE_MESSAGE(answers.ok(), answers.status().to_string());
  const Status open = (*answers)->keep_open();
  REQUIRE_MESSAGE(open.ok(), open.to_string());
  return *std::move(answers);
}

/// Any answer is better than none here: how long a busy machine takes is not what is tested.
Result<std::optional<KeptAnswers::Found>> find(KeptAnswers& answers, Key key, const std::string& user = "ann") {
  return answers.find(key, UserId(user), 30s);
}

std::string text_at(KeptAnswers& answers, Key key, const std::string& user = "ann") {
  const auto found = find(answers, key, user);
  REQUIRE_MESSAGE(found.ok(), found.status().to_string());
  return *found ? (*found)->answer : "nothing";
}

void put(KeptAnswers& answers, const KeptAnswers::Row& row) {
  const Status written = answers.write({&row, 1});
  REQUIRE_MESSAGE(written.ok(), written.to_string());
}

TEST_CASE("an answer comes back as it was, and is never told to be younger than it is") {
  const TestDatabase database;
  const auto writes = opened(database.options);
  const auto reads = opened(database.options);  // another daemon's
  const std::string bytes = std::string("\0\xff'\\ \n", 6) + std::string(100'000, 'x');
  const KeptAnswers::Row row = row_of({1, 2}, bytes, 500ms, 40s);
  put(*writes, row);
  CHECK(text_at(*reads, {1, 2}) == bytes);
  CHECK(text_at(*reads, {2, 1}) == "nothing");
  const auto found = find(*reads, {1, 2});
  REQUIRE((found.ok() && *found));
  CHECK((*found)->made <= row.made);
  CHECK((*found)->expires <= row.expires);
  CHECK((*found)->expires > steady_clock::now());
}

TEST_CASE("what has expired is neither written nor found, and is removed") {
  const TestDatabase database;
  const auto answers = opened(database.options);
  put(*answers, row_of({0, 1}, "old", 10s, -1ms));
  put(*answers, row_of({0, 2}, "young"));
  CHECK(database.client().value("SELECT count(*) FROM kept_answers") == "1");
  database.client().query("UPDATE kept_answers SET expires_at = clock_timestamp() - interval '1 ms'");
  CHECK(text_at(*answers, {0, 2}) == "nothing");
  CHECK(*answers->remove_expired() == 1);
  CHECK(database.client().value("SELECT count(*) FROM kept_answers") == "0");
  // Nor is it found under a clock that was put back.
  put(*answers, row_of({0, 3}, "of tomorrow"));
  database.client().query("UPDATE kept_answers SET made_at = made_at + interval '1 hour'");
  CHECK(text_at(*answers, {0, 3}) == "nothing");
}

TEST_CASE("the table's size counts what was written just now, by whichever daemon, and beyond a bound is estimated") {
  const TestDatabase database;
  const auto one = opened(database.options);
  const auto two = opened(database.options);
  CHECK(one->size()->rows == 0);
  for (std::uint64_t i = 0; i < 14; ++i) put(i % 2 == 0 ? *one : *two, row_of({0, i}, "answer"));
  CHECK(one->size()->rows == 14);
  CHECK(two->size()->rows == 14);
  CHECK(std::to_string(one->size()->bytes) == database.client().value("SELECT pg_total_relation_size('kept_answers')"));
  database.client().query(
      "INSERT INTO kept_answers SELECT made_at, expires_at, invalidations, gen_random_uuid(), user_id, tags, answer "
      "FROM (SELECT * FROM kept_answers LIMIT 1) AS one, generate_series(1, 20000)");
  // The statistics may not have heard of them yet; the bound is counted in any case.
  CHECK(one->size()->rows >= KeptAnswers::kCountedMax);
  database.client().query("DELETE FROM kept_answers");
  CHECK(one->size()->rows == 0);
}

TEST_CASE("of two answers with one key the one that was made later stays, in whatever order they are written") {
  const TestDatabase database;
  const auto answers = opened(database.options);
  put(*answers, row_of({0, 1}, "newer", 1s));
  put(*answers, row_of({0, 1}, "older", 2s));
  CHECK(text_at(*answers, {0, 1}) == "newer");
  const std::vector<KeptAnswers::Row> both{row_of({0, 1}, "newest", 0s), row_of({0, 1}, "older", 3s)};
  REQUIRE(answers->write(both).ok());
  CHECK(text_at(*answers, {0, 1}) == "newest");
}

TEST_CASE("an invalidation hides answers that were made before it, and none that was made after it") {
  const TestDatabase database;
  const auto answers = opened(database.options);
  const auto invalidations = open_invalidations(database.options);
  REQUIRE(invalidations.ok());
  put(*answers, row_of({0, 1}, "about moma"));
  REQUIRE((*invalidations)->add({.places = {"met"}}).ok());
  CHECK(text_at(*answers, {0, 1}) == "about moma");
  REQUIRE((*invalidations)->add({.places = {"moma"}}).ok());
  CHECK(text_at(*answers, {0, 1}) == "nothing");
  // Whoever writes later, and does not know of it, writes what nobody is given.
  put(*answers, row_of({0, 2}, "from before"));
  CHECK(text_at(*answers, {0, 2}) == "nothing");
  KeptAnswers::Row later = row_of({0, 2}, "after it");
  later.invalidations = 2;
  put(*answers, later);
  CHECK(text_at(*answers, {0, 2}) == "after it");
  // A user who is named gets nothing of before, also where the answer is not theirs alone.
  REQUIRE((*invalidations)->add({.users = {"ben"}}).ok());
  CHECK(text_at(*answers, {0, 2}, "ben") == "nothing");
  CHECK(text_at(*answers, {0, 2}, "ann") == "after it");
  REQUIRE((*invalidations)->add({.all = true}).ok());
  CHECK(text_at(*answers, {0, 2}) == "nothing");
}

TEST_CASE("invalidate_answers() refuses what names nothing, and what is no cell") {
  const TestDatabase database;
  test::PgClient client = database.client();
  const auto refused = [&](const std::string& call) {
    CHECK_THROWS_AS(client.query("SELECT invalidate_answers(" + call + ")"), std::runtime_error);
  };
  refused("");
  refused("users => '{}'");
  refused("cells => '{dr5r}'");
  refused("cells => '{aaaaa}'");
  CHECK(client.value("SELECT invalidate_answers(cells => '{DR5RS7}')") == "1");
  CHECK(client.value("SELECT tags FROM answer_invalidations") == "{g:dr5rs}");
  const auto invalidations = open_invalidations(database.options);
  CHECK((*invalidations)->add({}).code() == StatusCode::kInvalidArgument);
}

TEST_CASE("who hears of invalidations misses none: by SQL, while away, and in the order in which they end") {
  const TestDatabase database;
  const auto opened_here = open_invalidations(database.options);
  REQUIRE(opened_here.ok());
  Invalidations& here = **opened_here;
  test::PgClient client = database.client();
  client.query("SELECT invalidate_answers(users => '{before}')");
  const auto now = here.hear(-1, 1ms, {});
  REQUIRE_MESSAGE(now.ok(), now.status().to_string());
  CHECK(now->serial == 1);
  CHECK(now->tags.users.empty());
  CHECK(here.hear(1, 1ms, {})->serial == 1);

  // Told while it waits.
  std::jthread tells([&] { database.client().query("SELECT invalidate_answers(places => '{moma,met}')"); });
  const auto told = here.hear(1, 60s, {});
  tells.join();
  REQUIRE(told.ok());
  CHECK(told->serial == 2);
  CHECK(told->tags.places.size() == 2);

  // One that has begun first and ends last: the other waits for it, so that whoever has seen 4 has seen 3.
  client.query("BEGIN; SELECT invalidate_answers(users => '{first}')");
  std::jthread second([&] { database.client().query("SELECT invalidate_answers(users => '{second}')"); });
  CHECK(here.hear(2, 1ms, {})->serial == 2);
  client.query("COMMIT");
  second.join();
  const auto both = here.hear(2, 60s, {});
  CHECK(both->serial == 4);
  CHECK(both->tags.users == std::vector<std::string>{"first", "second"});

  // The server ends the connection, and something is said meanwhile.
  client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
      "current_database()");
  client.query("SELECT invalidate_answers(categories => '{cafe}')");
  auto again = here.hear(4, 60s, {});
  if (!again.ok()) again = here.hear(4, 60s, {});  // that the connection broke may show first
  REQUIRE_MESSAGE(again.ok(), again.status().to_string());
  CHECK(again->tags.categories == std::vector<std::string>{"cafe"});

  // Tables that begin anew make everything outdated.
  client.query("DELETE FROM answer_invalidations; UPDATE answer_invalidation_order SET serial = 0");
  CHECK(here.hear(5, 60s, {})->tags.all);
}

TEST_CASE("a server that does not answer costs no more than the time that one is given, and then nothing") {
  const TestDatabase database;
  const auto answers = opened(database.options, 1);
  put(*answers, row_of({0, 1}, "here"));
  test::PgClient client = database.client();
  client.query("BEGIN; LOCK TABLE kept_answers IN ACCESS EXCLUSIVE MODE");
  const auto late = answers->find({0, 1}, UserId("ann"), 20ms);
  CHECK(late.status().code() == StatusCode::kDeadlineExceeded);
  // The connection is given up, and nobody waits for another.
  CHECK(answers->find({0, 1}, UserId("ann"), 60s).status().code() == StatusCode::kResourceExhausted);
  client.query("ROLLBACK");
  REQUIRE(answers->keep_open().ok());
  CHECK(text_at(*answers, {0, 1}) == "here");
}

TEST_CASE("when all connections are busy nobody waits, and a server that is gone is told of and found again") {
  const TestDatabase database;
  const auto answers = opened(database.options, 1);
  put(*answers, row_of({0, 1}, "here"));
  test::PgClient client = database.client();
  client.query("BEGIN; LOCK TABLE kept_answers IN ACCESS EXCLUSIVE MODE");
  std::jthread waits([&] { CHECK(text_at(*answers, {0, 1}) == "here"); });
  while (client.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
                      "current_database()") == "0") {
  }
  CHECK(answers->find({0, 1}, UserId("ann"), 60s).status().code() == StatusCode::kResourceExhausted);
  client.query("ROLLBACK");
  waits.join();
  client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
      "current_database()");
  // Until the end of the connections has come here, they are used, and break.
  while (find(*answers, {0, 1}).status().code() != StatusCode::kResourceExhausted) {
  }
  REQUIRE(answers->keep_open().ok());
  CHECK(text_at(*answers, {0, 1}) == "here");
  const KeptAnswers::Row row = row_of({0, 2}, "written");
  if (!answers->write({&row, 1}).ok()) REQUIRE(answers->write({&row, 1}).ok());
  CHECK(text_at(*answers, {0, 2}) == "written");
}

TEST_CASE("a user who is erased has no kept answer any more, and before the migration there are none") {
  const TestDatabase database;
  const auto answers = opened(database.options);
  put(*answers, row_of({0, 1}, "of ann"));
  database.client().query("SELECT invalidate_answers(users => '{ann,ben}')");
  REQUIRE(database.database.users->erase(UserId("ann"), {}, {}).ok());
  CHECK(database.client().value("SELECT tags FROM answer_invalidations") == "{u:ben}");
  CHECK(text_at(*answers, {0, 1}) == "nothing");

  const TestDatabase empty = TestDatabase::without_schema();
  const auto none = open_kept_answers(empty.options, 1);
  REQUIRE(none.ok());
  CHECK((*none)->keep_open().code() == StatusCode::kFailedPrecondition);
  CHECK(find(**none, {0, 1}).status().code() == StatusCode::kResourceExhausted);
  const KeptAnswers::Row row = row_of({0, 1}, "x");
  CHECK((*none)->write({&row, 1}).code() == StatusCode::kFailedPrecondition);
  const auto invalidations = open_invalidations(empty.options);
  CHECK((*invalidations)->hear(-1, 1ms, {}).status().code() == StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cairn::sql
