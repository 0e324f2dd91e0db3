#include "engine/shared_side.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <utility>

#include "cairn/engine.h"
#include "engine/state/row_contents.h"

namespace cairn {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kHearWithin{10};
constexpr std::chrono::seconds kTryAgainAfter{1};
constexpr std::chrono::seconds kPatience{10};  ///< at a start: the schema may be in the making
constexpr std::chrono::seconds kCleanEvery{30};
constexpr std::size_t kMarksMax = 1'000;

void append_number(std::uint64_t number, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_text(std::string_view text, std::string* bytes) {
  append_number(text.size(), bytes);
  bytes->append(text);
}

/// Sleeps, and wakes for a stop.
void rest(std::chrono::milliseconds time, const std::stop_token& stop) {
  Mutex mutex;
  std::condition_variable_any never;
  MutexLock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

SharedSide::SharedSide(const EngineOptions& options, const state::FeatureState& state,
                       ranking::Recommender& recommender)
    : options_(options), state_(state), recommender_(recommender) {}

Result<std::unique_ptr<SharedSide>> SharedSide::open(const EngineOptions& options, const state::FeatureState& state,
                                                     ranking::Recommender& recommender) {
  std::unique_ptr<SharedSide> side(new SharedSide(options, state, recommender));
  CAIRN_ASSIGN_OR_RETURN(side->invalidations_, sql::open_invalidations(options.sql));
  if (!options.answers.shared) return side;
  CAIRN_ASSIGN_OR_RETURN(side->answers_, sql::open_kept_answers(options.sql, options.answers.shared_connections));
  recommender.tell_what_answers_are_made_with();
  return side;
}

void SharedSide::start(std::function<void(const AnswerTags&)> invalidate) {
  invalidate_ = std::move(invalidate);
  listener_ = std::jthread([this](const std::stop_token& stop) { hear_until(stop); });
}

void SharedSide::stop() {
  if (!listener_.joinable()) return;
  listener_.request_stop();
  listener_.join();
}

// ---- invalidations ------------------------------------------------------------------------------------------------

void SharedSide::hear_until(const std::stop_token& stop) {
  std::int64_t last = -1;
  std::optional<steady_clock::time_point> failing;  // since then
  std::string told;                                 // in the log, and not over
  while (!stop.stop_requested()) {
    auto heard = invalidations_->hear(last, kHearWithin, stop);
    if (!heard.ok()) {
      const std::string why = heard.status().message();
      note_trouble(why);
      if (!failing) failing = steady_clock::now();
      const bool patient = last < 0 && steady_clock::now() - *failing < kPatience;
      if (!patient && why != told && !stop.stop_requested()) {
        options_.log.warning("answers.not_told", why,
                             {{"effect", "invalidations by SQL are heard of when PostgreSQL can be reached again"}});
        told = why;
      }
      rest(kTryAgainAfter, stop);
      continue;
    }
    note_trouble("");
    failing.reset();
    if (!std::exchange(told, "").empty()) {
      options_.log.info("answers.told", "invalidations by SQL are heard of again", {});
    }
    if (last < 0) heard->tags.all = true;
    if (heard->serial != last) {
      invalidate_(heard->tags);
      if (last >= 0) heard_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(heard->serial - last, 1)));
    }
    last = heard->serial;
    serial_.store(last, std::memory_order_release);  // after it took effect: see SharedTier
  }
}

void SharedSide::note_trouble(std::string trouble) {
  const MutexLock lock(mutex_);
  trouble_ = std::move(trouble);
}

// ---- what answers are made from -----------------------------------------------------------------------------------

bool SharedSide::of_a_topic(const Watermark& mark) const {
  return !options_.kafka.brokers.empty() && mark.source == options_.kafka.name;
}

/// Whose events everything was learned from. Those of a topic are the same for all who read the same partitions of it;
/// what came through the API or from a file is this state directory's alone.
std::string SharedSide::sources(std::span<const Watermark> reached) const {
  std::string topic;
  bool own = false;
  for (const Watermark& mark : reached) {
    if (mark.position.offset.value == 0) continue;
    if (of_a_topic(mark)) {
      append_number(static_cast<std::uint64_t>(mark.position.partition.value), &topic);
    } else {
      own = true;
    }
  }
  std::string sources;
  append_text(options_.kafka.topic, &sources);
  append_text(topic, &sources);  // ascending by partition, as watermarks are
  append_text(own ? state_.id() : "", &sources);
  return sources;
}

std::optional<SharedSide::Basis> SharedSide::basis_of(const RecommendRequest& request) const {
  const auto made_with = recommender_.made_with();
  if (!made_with) return std::nullopt;
  // What depends on holidays and on what attributes are declared as, two daemons need not see alike.
  if (!request.where.empty() || request.open_at || request.open_now) return std::nullopt;
  Basis basis{.bytes = {}, .personal = false, .reached = state_.watermarks()};
  state::RowCache::RowPtr row;  // null: nothing is known, or nobody in particular asks
  if (!request.user.str().empty()) {
    const auto user = state_.row(EntityKind::kUser, request.user.str());
    if (!user.ok()) return std::nullopt;
    row = user->row;
  }
  basis.personal = row != nullptr;
  append_text(version(), &basis.bytes);
  append_text(*made_with, &basis.bytes);
  append_text(sources(basis.reached), &basis.bytes);
  if (basis.personal) {
    const state::Bits128 contents = state::hash_of_contents(state_, *row);
    append_number(contents.low, &basis.bytes);
    append_number(contents.high, &basis.bytes);
  }
  return basis;
}

bool SharedSide::as_new(const Freshness& freshness, SteadyTime made) const {
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> reflected;
  for (const Watermark& mark : freshness.watermarks) {
    reflected[{mark.source, mark.position.partition.value}] = mark.position.offset.value;
  }
  const MutexLock lock(mutex_);
  const auto later = std::find_if(marks_.begin(), marks_.end(), [&](const Mark& mark) { return mark.at > made; });
  if (later == marks_.begin()) return true;  // this daemon did not know anything then
  const std::vector<Watermark>& known = std::prev(later)->marks;
  return std::all_of(known.begin(), known.end(), [&](const Watermark& mark) {
    const auto found = reflected.find({mark.source, mark.position.partition.value});
    return mark.position.offset.value == 0 || (found != reflected.end() && found->second >= mark.position.offset.value);
  });
}

void SharedSide::take_over(Recommendations* answer) const {
  if (!answer->next.empty()) answer->next = recommender_.cursor_behind(answer->items);
}

// ---- the table ----------------------------------------------------------------------------------------------------

Result<std::optional<SharedSide::Found>> SharedSide::find(Key key, const UserId& user,
                                                          std::chrono::milliseconds within) {
  CAIRN_ASSIGN_OR_RETURN(auto found, answers_->find({key.high, key.low}, user, within));
  if (!found) return std::optional<Found>();
  return std::optional<Found>({std::move(found->answer), found->made, found->expires});
}

Status SharedSide::keep_open() { return invalidations() < 0 ? ok_status() : answers_->keep_open(); }

Status SharedSide::write(std::span<const Row> rows) {
  std::vector<sql::KeptAnswers::Row> written;
  written.reserve(rows.size());
  for (const Row& row : rows) {
    written.push_back({.key = {row.key.high, row.key.low},
                       .user = row.user,
                       .made = row.made,
                       .expires = row.expires,
                       .invalidations = row.invalidations,
                       .tags = sql::tags_of(row.tags),
                       .answer = row.bytes});
  }
  Status done = answers_->write(written);
  if (done.ok()) grown_.store(true, std::memory_order_relaxed);
  return done;
}

void SharedSide::run() {
  if (!shares()) return;
  const auto now = steady_clock::now();
  {
    const MutexLock lock(mutex_);
    marks_.push_back({now, state_.watermarks()});
    // The newest of those that are too old to be asked for stays: it speaks for all before it.
    const auto oldest = now - (options_.answers.ttl + options_.answers.ttl / 10 + options_.answers.stale);
    while (marks_.size() > 1 && marks_[1].at < oldest) marks_.pop_front();
    // With long times to live fewer moments are known; what lies between two counts as of the earlier one.
    if (marks_.size() > kMarksMax) {
      for (std::size_t i = 1; i < marks_.size() - 1; ++i) marks_.erase(marks_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  if (invalidations() < 0) return;
  // What looks for answers says what is wrong, where something is.
  const bool clean = now - cleaned_ >= kCleanEvery;
  if (clean) {
    cleaned_ = now;
    const auto removed = answers_->remove_expired();
    if (removed.ok()) expired_.fetch_add(*removed, std::memory_order_relaxed);
  }
  if (!grown_.exchange(false, std::memory_order_relaxed) && !clean) return;
  const auto size = answers_->size();
  if (!size.ok()) return;
  rows_.store(size->rows, std::memory_order_relaxed);
  bytes_.store(size->bytes, std::memory_order_relaxed);
}

std::string SharedSide::alone() const {
  if (!recommender_.made_with()) {
    return "rules come into force by the clock, so that answers are not kept in PostgreSQL while there are any";
  }
  const std::vector<Watermark> reached = state_.watermarks();
  const auto own = std::find_if(reached.begin(), reached.end(), [&](const Watermark& mark) {
    return mark.position.offset.value > 0 && !of_a_topic(mark);
  });
  if (own == reached.end()) return {};
  return "events of '" + own->source +
         "' came to this state directory alone (by its API or from a file), so that its answers are found by nobody "
         "else; daemons that read all events from one topic share theirs";
}

void SharedSide::describe(AnswerCacheStatus* status) const {
  if (shares()) status->shared_alone = alone();
  status->heard = heard_.load(std::memory_order_relaxed);
  status->heard_up_to = invalidations();
  status->shared_expired = expired_.load(std::memory_order_relaxed);
  status->shared_rows = rows_.load(std::memory_order_relaxed);
  status->shared_bytes = bytes_.load(std::memory_order_relaxed);
  const MutexLock lock(mutex_);
  if (status->shared_trouble.empty()) status->shared_trouble = trouble_;
}

}  // namespace cairn
