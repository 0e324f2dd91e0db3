#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cairn/geo.h"
#include "cairn/status.h"
#include "tools/cairn/load/key_draw.h"

namespace cairn::load {

enum class RequestKind : std::uint8_t { kRecommend, kFeatures, kPlaces, kHealthz, kInteractions, kBodies };

/// "recommend": how --mix and reports name a kind.
[[nodiscard]] std::string name_of(RequestKind kind);

struct MixEntry {
  RequestKind kind = RequestKind::kRecommend;
  double weight = 1.0;
};

/// Reads "recommend=8,features=2"; a kind without a weight has 1.
/// Returns: INVALID_ARGUMENT for an unknown kind, one named twice, or a weight that is not above 0.
[[nodiscard]] Result<std::vector<MixEntry>> parse_mix(const std::string& text);

/// Degrees; `from` is the south-west corner.
struct Box {
  GeoPoint from;
  GeoPoint to;
};

/// What is asked, and how often which.
struct WorkloadOptions {
  std::vector<MixEntry> mix = {{}};
  std::vector<std::string> users;   ///< ids
  std::vector<std::string> places;  ///< ids; needed for kPlaces and kInteractions
  KeyShape shape = {};              ///< of users and of places
  std::optional<GeoPoint> at = {};  ///< of recommendations; without it and `box` the user's last known place
  std::optional<Box> box = {};
  int limit = 20;
  std::vector<std::string> bodies;           ///< of kBodies, one after the other
  std::string path = "/v1/recommendations";  ///< where `bodies` are sent to
};

/// Makes requests, drawn at random, as bytes of HTTP/1.1. Ids are encoded once, so that a request costs little.
/// Threads: one at a time.
class Workload {
 public:
  /// `host`: what the Host header says. The same seed gives the same requests.
  Workload(const WorkloadOptions& options, std::string host, std::uint64_t seed);

  /// Puts the next request in `*bytes`, in place of what was there.
  RequestKind next(std::string* bytes);

 private:
  void write_get(std::string_view path, const std::string& id, std::string* bytes) const;
  void write_post(std::string_view path, std::string_view body, std::string* bytes) const;
  void make_recommend_body();
  void make_event_body();

  const std::vector<MixEntry> mix_;
  const std::vector<std::string> bodies_;
  const std::string path_;
  const std::optional<GeoPoint> at_;
  const std::optional<Box> box_;
  const int limit_;
  const std::string end_;  ///< of every header
  std::vector<std::string> users_in_json_;
  std::vector<std::string> users_in_path_;
  std::vector<std::string> places_in_json_;
  std::vector<std::string> places_in_path_;
  std::optional<KeyDraw> user_draw_;
  std::optional<KeyDraw> place_draw_;
  std::mt19937_64 random_;
  std::discrete_distribution<std::size_t> kinds_;
  std::size_t next_body_ = 0;
  std::string body_;
};

}  // namespace cairn::load
