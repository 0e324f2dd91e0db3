#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/clock.h"
#include "cairn/freshness.h"
#include "cairn/geo.h"
#include "cairn/ids.h"
#include "cairn/mutex.h"
#include "cairn/place.h"
#include "cairn/shared_list.h"

namespace cairn {

/// How an answer tries places of whose scores the model is not sure, so that what the user does with them teaches more.
enum class ExploreMethod : std::uint8_t {
  kUcb,       ///< the best are ordered anew by their scores and `strength` standard deviations of the model's part
  kThompson,  ///< the user's taste is drawn around the one the model finds, `strength` times as far away as it may be
};
[[nodiscard]] constexpr std::string_view to_string(ExploreMethod method) noexcept {
  constexpr std::string_view kNames[] = {"ucb", "thompson"};
  return kNames[static_cast<std::size_t>(method)];
}
struct Explore {
  ExploreMethod method = ExploreMethod::kUcb;
  double strength = 1.0;                   ///< 0, not at all, to 100
  std::optional<std::uint64_t> seed = {};  ///< of the draw: required with kThompson, and nothing with kUcb
};

/// Which places, for this user, here, now.
struct RecommendRequest {
  UserId user =
      {};  ///< may be unknown: the answer is then by place and distance. Empty: a visitor, nobody in particular
  std::optional<GeoPoint> position = {};  ///< absent: the user's last known place; unknown too: INVALID_ARGUMENT
  std::string cell = {};  ///< a geohash of 5 to 8 letters: the position is its centre, so that all who ask from there
                          ///< ask the same. With `position`: INVALID_ARGUMENT
  bool snap = false;      ///< moves `position` to the centre of its cell of AnswerCacheOptions::cell_letters
  std::optional<EventTime> position_time = {};  ///< when the position was fixed; absent: the moment asked for
  std::optional<EventTime> time = {};           ///< the moment asked for; absent: the clock
  std::size_t limit = 20;
  std::optional<double> radius_meters = {};          ///< absent: RankingOptions::radius_meters_default
  std::vector<std::string> categories = {};          ///< empty: any
  std::vector<std::string> exclude_categories = {};  ///< leave out places of these
  /// Only places for which this holds; empty: all. Tests of attributes joined by and, or, not and parentheses:
  /// `price <= 20 and (cuisine in ("thai", "lao") or vegan) and not smoking`. engine/ranking/README.md has all of it.
  std::string where = {};
  std::optional<EventTime> open_at =
      {};                             ///< only places that are open then, by the attribute that is declared as hours
  bool open_now = false;              ///< the same, at the moment asked for; not together with open_at
  bool open_unknown = false;          ///< with either: places whose hours are unknown as well
  bool exclude_seen = false;          ///< leave out places in the user's history
  std::vector<PlaceId> exclude = {};  ///< leave out these; unknown ones are no error
  std::vector<PlaceId> only = {};     ///< leave out all but these, within the radius; empty: all places
  std::vector<PlaceId> rank = {};     ///< order just these, however far, unless a radius is named; empty: all places
  std::vector<PlaceId> recent = {};   ///< seen in this session, the latest last: known to the model beside the history,
                                      ///< and the position of who has no other
  std::string cursor = {};            ///< Recommendations::next of the page before: the next best, none again
  std::size_t max_per_category = 0;   ///< places of one category in an answer; 0: any number
  double diversity = 0.0;  ///< how much the answer avoids places that are alike: 0, not at all, to 1, whatever
                           ///< they score. Items are then in the order in which they were chosen
  std::optional<std::uint32_t> segment = {};  ///< of the model's, for who is unknown to it; absent: all of them, as
                                              ///< their users go to places near the position. Beyond those there are:
                                              ///< INVALID_ARGUMENT, and where there are none FAILED_PRECONDITION
  std::optional<Explore> explore = {};  ///< absent: answers by what is known. Where the model in force is not one set
                                        ///< of fold-in vectors: FAILED_PRECONDITION
  bool attributes = false;              ///< fill the attributes of the answer's places
  bool explain = true;                  ///< fill Recommended::reasons and because
  bool against = false;       ///< with explain: all reasons, and in Recommended::against what speaks against it
  std::string language = {};  ///< of Recommended::because: "de", or as Accept-Language has it; empty: the default
  std::optional<Watermark> min_offset = {};                     ///< the answer must reflect all before it
  std::optional<std::chrono::milliseconds> max_staleness = {};  ///< a kept answer must not be older; 0: it is computed;
                                                                ///< absent: as AnswerCacheOptions say
  OnStale on_stale = OnStale::kWait;                            ///< what to do when it cannot yet
};

/// Why a place stands where it does: what one or several ranking features that say the same add to the score.
struct Reason {
  std::string feature;        ///< name of the ranking feature, of several the one that counts most
  double value = 0.0;         ///< that feature's value
  double contribution = 0.0;  ///< weight * value, summed over those that say the same
  std::string text;           ///< for people: "visited 12 times"
};

struct Recommended {
  Place place;
  double score = 0.0;  ///< sum of all contributions, also those not listed
  double distance_meters = 0.0;
  std::vector<Reason> reasons;       ///< what speaks for it, each once, the largest contribution first
  std::vector<Reason> against = {};  ///< what speaks against it, when asked for, the largest magnitude first
  std::string because = {};          ///< a sentence of the first reasons, for people; empty: nothing speaks for it
};

/// What an answer could know of the user, beside position and time.
enum class UserKnownBy : std::uint8_t {
  kHistory,  ///< events of the user
  kRecent,   ///< the request's recent places
  kNothing,  ///< nothing: what is popular here and now
  kSegment,  ///< nothing: what segments of the model's users like, here and now
};
[[nodiscard]] constexpr std::string_view to_string(UserKnownBy known) noexcept {
  constexpr std::string_view kNames[] = {"history", "recent", "nothing", "segment"};
  return kNames[static_cast<std::size_t>(known)];
}

/// Room beside a kept answer for a text that is made of it again and again, such as its JSON. What stands here counts
/// as memory of the answer. Threads: any.
class AnswerMemo {
 public:
  struct Text {
    std::string text;
    std::string tag;  ///< that clients know it by; may be empty
  };

  /// `grown` is told of the bytes of what is kept here.
  explicit AnswerMemo(std::function<void(std::size_t)> grown) : grown_(std::move(grown)) {}

  /// Null: nothing yet.
  [[nodiscard]] std::shared_ptr<const Text> text() const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return text_;
  }
  /// The first text stays. `text`: not null.
  void keep(std::shared_ptr<const Text> text) CAIRN_EXCLUDES(mutex_) {
    const std::size_t bytes = text->text.capacity() + text->tag.capacity();
    {
      const MutexLock lock(mutex_);
      if (text_) return;
      text_ = std::move(text);
    }
    grown_(bytes);
  }

 private:
  const std::function<void(std::size_t)> grown_;
  mutable Mutex mutex_;
  std::shared_ptr<const Text> text_ CAIRN_GUARDED_BY(mutex_);
};

/// Where an answer comes from that was not computed for the request.
struct KeptAnswer {
  Tier tier = Tier::kNone;                ///< that kept it
  std::chrono::milliseconds age{0};       ///< since it was computed
  bool stale = false;                     ///< older than its time to live: it is being computed anew
  std::shared_ptr<AnswerMemo> memo = {};  ///< of the kept answer; null: there is no room for one
};

struct Recommendations {
  SharedList<Recommended> items;  ///< best first; equal scores: nearer first, then by place id. With diversity: in
                                  ///< the order in which they were chosen. With rules that pin or bury: those that are
                                  ///< pinned, all others, those that are buried, each by themselves in that order
  std::size_t candidates = 0;     ///< places that passed every filter
  std::string next;               ///< RecommendRequest::cursor for the next page; empty when there is none
  UserKnownBy known_by = UserKnownBy::kNothing;
  std::uint64_t ranker = 0;               ///< version of the ranker that scored: of its numbers, for people
  std::string model;                      ///< version of the model that took part; empty: none
  std::string cell = {};                  ///< at whose centre it was asked; empty: at the position as it was given
  std::optional<std::uint32_t> segment;   ///< that the model was asked with, or that counts most in it, as the model
                                          ///< knows no place of the user's
  std::optional<ExploreMethod> explored;  ///< absent: not, also where it was asked for and the model knows no place of
                                          ///< the user's, so that there is nothing to be unsure of
  std::string shortfall;                  ///< why there are fewer than asked for; empty when there are not
  bool degraded = false;     ///< answered before min_offset was reached, as asked; or as if nothing were known of
                             ///< the user, because what is stored of them is damaged
  bool by_fallback = false;  ///< scanned by the processors, as the device that should have failed; the same answer
  Freshness freshness;       ///< of what it was computed from, then
  std::optional<EventTime> user_event;  ///< the newest visit of the user that it knows of; absent: it knows of none
  std::optional<KeptAnswer> kept;       ///< absent: it was computed for this request
  /// With open_now, and no time of its own: for so long yet is it true of who is open. Hours are read by the minute, so
  /// that is until the minute ends. Absent: it does not depend on the clock.
  std::optional<std::chrono::milliseconds> open_for = {};
};

/// One named function of (user, place, position, time) that ranking can weigh.
struct RankingFeatureInfo {
  std::string name;
  std::string meaning;          ///< one sentence: formula and unit
  double default_weight = 0.0;  ///< that ships with Cairn; of an own feature, that it is declared with
  double weight = 0.0;          ///< in force
  bool own = false;             ///< declared by the configuration
};

}  // namespace cairn
