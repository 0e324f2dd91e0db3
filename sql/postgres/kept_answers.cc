#include "sql/kept_answers.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include "cairn/mutex.h"
#include "sql/postgres/plain_connection.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What nobody waits for may take this long, and no longer: a thread that stops waits for it.
constexpr milliseconds kWithin{5'000};

constexpr const char* kFind = "find_kept_answer";
// A row is no use under a clock that was put back behind it.
constexpr const char* kFindStatement =
    "SELECT k.answer, (extract(epoch FROM c.now - k.made_at) * 1000000)::bigint, "
    "(extract(epoch FROM k.expires_at - c.now) * 1000000)::bigint "
    "FROM kept_answers k, (SELECT clock_timestamp() AS now) c "
    "WHERE k.key = $1::uuid AND k.expires_at > c.now AND k.made_at <= c.now AND NOT EXISTS ("
    "SELECT FROM answer_invalidations i WHERE i.serial > k.invalidations AND (i.everything OR i.tags && k.tags OR "
    "$2::text = ANY (i.tags)))";

// The statistics learn of rows some time after they were written, and a count of millions would take seconds.
constexpr const char* kSizeStatement =
    "SELECT CASE WHEN c.rows < 10000 THEN c.rows ELSE greatest(c.rows, s.n_live_tup) END, "
    "pg_total_relation_size('kept_answers'::regclass) "
    "FROM (SELECT count(*) AS rows FROM (SELECT FROM kept_answers LIMIT 10000) AS first) AS c "
    "LEFT JOIN pg_stat_all_tables AS s ON s.relid = 'kept_answers'::regclass";
static_assert(KeptAnswers::kCountedMax == 10'000);

std::string key_text(KeptAnswers::Key key) { return uuid_text(key.high, key.low); }

std::int64_t read_bigint(const PGresult* rows, int column) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(PQgetvalue(rows, 0, column));
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return static_cast<std::int64_t>(value);
}

std::int64_t number_of(const char* text) {
  std::int64_t value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

std::uint64_t affected(const PGresult* rows) {
  return static_cast<std::uint64_t>(number_of(PQcmdTuples(const_cast<PGresult*>(rows))));
}

/// The server's clock, in microseconds, at a moment of ours that is no earlier: what is reckoned back from there is
/// never too young.
struct ServerClock {
  std::int64_t server_us = 0;
  steady_clock::time_point ours;

  [[nodiscard]] std::int64_t at(steady_clock::time_point time) const {
    return server_us + std::chrono::floor<microseconds>(time - ours).count();
  }
};

class PostgresKeptAnswers final : public KeptAnswers {
 public:
  PostgresKeptAnswers(ConnectionSettings settings, int connections)
      : settings_(std::move(settings)), connections_(static_cast<std::size_t>(connections)) {}

  Result<std::optional<Found>> find(Key key, const UserId& user, milliseconds within) override {
    std::unique_ptr<PlainConnection> connection = take();
    if (!connection) {
      return Status(StatusCode::kResourceExhausted, "no connection to look for kept answers is free");
    }
    auto found = ask(*connection, key, user, within);
    give_back(found.ok() ? std::move(connection) : nullptr);
    return found;
  }

  Status write(std::span<const Row> rows) override {
    // Of one key the newest: a statement may not write a row twice.
    std::map<std::pair<std::uint64_t, std::uint64_t>, const Row*> newest;
    for (const Row& row : rows) {
      const Row*& known = newest[{row.key.high, row.key.low}];
      if (known == nullptr || known->made < row.made) known = &row;
    }
    if (newest.empty()) return ok_status();
    std::vector<const Row*> distinct;
    for (const auto& [key, row] : newest) distinct.push_back(row);
    return by_writer("postgres: write kept answers",
                     [&](PlainConnection& connection) { return insert(connection, distinct); });
  }

  Status keep_open() override {
    for (;;) {
      {
        const MutexLock lock(mutex_);
        // Those that the server has closed go first.
        const std::size_t before = idle_.size();
        std::erase_if(idle_, [](const auto& one) { return !one->is_quiet(); });
        open_ -= before - idle_.size();
        if (open_ >= connections_) return ok_status();
      }
      CAIRN_ASSIGN_OR_RETURN(auto connection, PlainConnection::open(settings_));
      CAIRN_RETURN_IF_ERROR(connection->prepare(kFind, kFindStatement, steady_clock::now() + kWithin));
      const MutexLock lock(mutex_);
      ++open_;
      idle_.push_back(std::move(connection));
    }
  }

  Result<std::uint64_t> remove_expired() override {
    std::uint64_t count = 0;
    Status done = by_writer("postgres: remove old answers", [&](PlainConnection& connection) -> Status {
      const auto deadline = steady_clock::now() + kWithin;
      CAIRN_ASSIGN_OR_RETURN(
          const auto removed,
          connection.run("DELETE FROM kept_answers WHERE expires_at <= clock_timestamp()", {}, deadline));
      count = affected(removed.get());
      // Answers live for at most a day and a tenth.
      return connection
          .run("DELETE FROM answer_invalidations WHERE written_at < clock_timestamp() - interval '2 days'", {},
               deadline)
          .status();
    });
    if (!done.ok()) return done;
    return count;
  }

  Result<Size> size() override {
    Size size;
    Status done = by_writer("postgres: count kept answers", [&](PlainConnection& connection) -> Status {
      CAIRN_ASSIGN_OR_RETURN(const auto rows, connection.run(kSizeStatement, {}, steady_clock::now() + kWithin));
      if (PQntuples(rows.get()) == 1) {
        size.rows = static_cast<std::uint64_t>(number_of(PQgetvalue(rows.get(), 0, 0)));
        size.bytes = static_cast<std::uint64_t>(number_of(PQgetvalue(rows.get(), 0, 1)));
      }
      return ok_status();
    });
    if (!done.ok()) return done;
    return size;
  }

 private:
  /// Null: none is free.
  std::unique_ptr<PlainConnection> take() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<PlainConnection> connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->is_quiet()) return connection;
      --open_;
    }
    return nullptr;
  }

  void give_back(std::unique_ptr<PlainConnection> connection) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    connection ? idle_.push_back(std::move(connection)) : static_cast<void>(--open_);
  }

  static Result<std::optional<Found>> ask(PlainConnection& connection, Key key, const UserId& user,
                                          milliseconds within) {
    const auto sent = steady_clock::now();
    const std::string text = key_text(key);
    const std::string tag = "u:" + user.str();
    const PlainConnection::Value values[] = {{text}, {tag}};
    CAIRN_ASSIGN_OR_RETURN(const auto rows, connection.run_prepared(kFind, values, sent + within));
    if (PQntuples(rows.get()) == 0) return std::optional<Found>();
    // The server looked at its clock after it was asked: reckoned from then, all is a little older.
    Found found;
    found.answer.assign(PQgetvalue(rows.get(), 0, 0), static_cast<std::size_t>(PQgetlength(rows.get(), 0, 0)));
    found.made = sent - microseconds(read_bigint(rows.get(), 1));
    found.expires = sent + microseconds(read_bigint(rows.get(), 2));
    return std::optional(std::move(found));
  }

  static Result<ServerClock> read_clock(PlainConnection& connection, steady_clock::time_point deadline) {
    CAIRN_ASSIGN_OR_RETURN(
        const auto rows,
        connection.run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", {}, deadline));
    return ServerClock{number_of(PQgetvalue(rows.get(), 0, 0)), steady_clock::now()};
  }

  static Status insert(PlainConnection& connection, std::span<const Row* const> rows) {
    const auto deadline = steady_clock::now() + kWithin;
    CAIRN_ASSIGN_OR_RETURN(const ServerClock clock, read_clock(connection, deadline));
    std::vector<std::string> texts;
    texts.reserve(rows.size() * 5);  // values refer to them
    std::vector<PlainConnection::Value> values;
    std::string statement =
        "INSERT INTO kept_answers (made_at, expires_at, invalidations, key, user_id, tags, answer) "
        "SELECT * FROM (VALUES ";
    const auto add = [&](std::string text) -> void { values.push_back({texts.emplace_back(std::move(text))}); };
    for (const Row* const row : rows) {
      const auto parameter = [first = values.size()](std::size_t i) { return "$" + std::to_string(first + i + 1); };
      if (row != rows.front()) statement += ", ";
      statement += "('epoch'::timestamptz + " + parameter(0) + "::bigint * interval '1 microsecond', " +
                   "'epoch'::timestamptz + " + parameter(1) + "::bigint * interval '1 microsecond', " + parameter(2) +
                   "::bigint, " + parameter(3) + "::uuid, " + parameter(4) + "::text, " + parameter(5) + "::text[], " +
                   parameter(6) + "::bytea)";
      add(std::to_string(clock.at(row->made)));
      add(std::to_string(clock.at(row->expires)));
      add(std::to_string(row->invalidations));
      add(key_text(row->key));
      values.push_back({row->user ? std::optional<std::string_view>(*row->user) : std::nullopt});
      add(array_text(row->tags));
      values.push_back({row->answer, true});
    }
    statement +=
        ") AS v (made_at, expires_at, invalidations, key, user_id, tags, answer) "
        "WHERE v.expires_at > clock_timestamp() "
        "ON CONFLICT (key) DO UPDATE SET made_at = excluded.made_at, expires_at = excluded.expires_at, "
        "invalidations = excluded.invalidations, user_id = excluded.user_id, tags = excluded.tags, "
        "answer = excluded.answer WHERE kept_answers.made_at < excluded.made_at";
    return connection.run(statement.c_str(), values, deadline).status();
  }

  /// Runs `work` on the connection of those whom nobody waits for.
  template <class Work>
  Status by_writer(const char* what, const Work& work) CAIRN_EXCLUDES(writer_mutex_) {
    const MutexLock one_at_a_time(writer_mutex_);
    if (writer_ && !writer_->is_quiet()) writer_.reset();
    if (!writer_) {
      auto opened = PlainConnection::open(settings_);
      if (!opened.ok()) return Status(opened.status()).with_context(what);
      writer_ = *std::move(opened);
    }
    Status done = work(*writer_);
    if (!done.ok()) writer_.reset();
    return std::move(done).with_context(what);
  }

  // Fixed after construction.
  const ConnectionSettings settings_;
  const std::size_t connections_;

  Mutex mutex_;
  std::vector<std::unique_ptr<PlainConnection>> idle_ CAIRN_GUARDED_BY(mutex_);
  std::size_t open_ CAIRN_GUARDED_BY(mutex_) = 0;  ///< idle and in use

  Mutex writer_mutex_;
  std::unique_ptr<PlainConnection> writer_ CAIRN_GUARDED_BY(writer_mutex_);
};

}  // namespace

Result<std::unique_ptr<KeptAnswers>> open_kept_answers(const SqlOptions& options, int connections) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  return std::unique_ptr<KeptAnswers>(std::make_unique<PostgresKeptAnswers>(std::move(settings), connections));
}

}  // namespace cairn::sql
