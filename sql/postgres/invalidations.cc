#include "sql/invalidations.h"

#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "cairn/mutex.h"
#include "sql/postgres/plain_connection.h"
#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kWithin{5'000};

std::int64_t number_of(const char* text) {
  std::int64_t value = 0;
  std::from_chars(text, text + std::strlen(text), value);
  return value;
}

void add_tag(std::string_view tag, AnswerTags* tags) {
  if (tag.size() < 3 || tag[1] != ':') return;
  std::string name(tag.substr(2));
  switch (tag[0]) {
    case 'u':
      return tags->users.push_back(std::move(name));
    case 'p':
      return tags->places.push_back(std::move(name));
    case 'c':
      return tags->categories.push_back(std::move(name));
    case 'g':
      return tags->cells.push_back(std::move(name));
    default:
      return;
  }
}

class PostgresInvalidations final : public Invalidations {
 public:
  explicit PostgresInvalidations(ConnectionSettings settings) : settings_(std::move(settings)) {}

  Result<Heard> hear(std::int64_t after, milliseconds within, const std::stop_token& stop) override {
    auto heard = listen(after, within, stop);
    if (heard.ok()) return heard;
    listener_.reset();
    return Status(heard.status()).with_context("postgres: hear of invalidations");
  }

  Status add(const AnswerTags& tags) override {
    auto opened = PlainConnection::open(settings_);
    if (!opened.ok()) return Status(opened.status()).with_context("postgres: invalidate");
    const std::string users = array_text(tags.users);
    const std::string places = array_text(tags.places);
    const std::string categories = array_text(tags.categories);
    const std::string cells = array_text(tags.cells);
    const PlainConnection::Value values[] = {
        {users}, {places}, {categories}, {cells}, {std::string_view(tags.all ? "true" : "false")}};
    return (*opened)
        ->run("SELECT invalidate_answers($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean)", values,
              steady_clock::now() + kWithin)
        .status()
        .with_context("postgres: invalidate");
  }

 private:
  Result<Heard> listen(std::int64_t after, milliseconds within, const std::stop_token& stop) {
    const auto deadline = steady_clock::now() + within;
    if (!listener_) {
      CAIRN_ASSIGN_OR_RETURN(listener_, PlainConnection::open(settings_));
      // Before the table is read: what comes after that is told of.
      CAIRN_RETURN_IF_ERROR(listener_->run("LISTEN cairn_invalidate", {}, steady_clock::now() + kWithin).status());
    }
    for (;;) {
      CAIRN_ASSIGN_OR_RETURN(Heard heard, read(after));
      if (heard.serial != after) return heard;
      CAIRN_ASSIGN_OR_RETURN(const bool told, listener_->wait_for_notification(deadline, stop));
      // The table is read once more before it is said that there is nothing.
      if (!told && (stop.stop_requested() || steady_clock::now() >= deadline)) return read(after);
    }
  }

  Result<Heard> read(std::int64_t after) {
    const auto deadline = steady_clock::now() + kWithin;
    const std::string from = std::to_string(after);
    const PlainConnection::Value value{from};
    // One statement, one moment: the last serial and those before it belong together.
    CAIRN_ASSIGN_OR_RETURN(
        const auto rows, listener_->run("SELECT o.serial, i.everything, t.tag FROM answer_invalidation_order o "
                                        "LEFT JOIN answer_invalidations i ON $1::bigint >= 0 AND i.serial > $1::bigint "
                                        "LEFT JOIN LATERAL unnest(i.tags) AS t (tag) ON true",
                                        {&value, 1}, deadline));
    if (PQntuples(rows.get()) == 0) return failed_precondition("answer_invalidation_order is empty; it has one row");
    Heard heard{.serial = number_of(PQgetvalue(rows.get(), 0, 0)), .tags = {}};
    heard.tags.all = after >= 0 && heard.serial < after;
    for (int i = 0; i < PQntuples(rows.get()); ++i) {
      if (std::string_view(PQgetvalue(rows.get(), i, 1)) == "t") heard.tags.all = true;
      if (PQgetisnull(rows.get(), i, 2) == 0) add_tag(PQgetvalue(rows.get(), i, 2), &heard.tags);
    }
    return heard;
  }

  const ConnectionSettings settings_;
  std::unique_ptr<PlainConnection> listener_;  ///< touched by who hears
};

}  // namespace

Result<std::unique_ptr<Invalidations>> open_invalidations(const SqlOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(ConnectionSettings settings, connection_settings(options));
  return std::unique_ptr<Invalidations>(std::make_unique<PostgresInvalidations>(std::move(settings)));
}

std::vector<std::string> tags_of(const AnswerTags& tags) {
  std::vector<std::string> named;
  const auto add = [&](const char* kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) named.push_back(kind + name);
  };
  add("u:", tags.users);
  add("p:", tags.places);
  add("c:", tags.categories);
  add("g:", tags.cells);
  return named;
}

}  // namespace cairn::sql
