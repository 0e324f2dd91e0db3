#include "tools/cairn/load/workload.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "tools/cairn/http_client.h"

namespace cairn::load {
namespace {

struct KindName {
  RequestKind kind;
  std::string_view name;
};
constexpr KindName kKinds[] = {
    {RequestKind::kRecommend, "recommend"},
    {RequestKind::kFeatures, "features"},
    {RequestKind::kPlaces, "places"},
    {RequestKind::kHealthz, "healthz"},
    {RequestKind::kInteractions, "interactions"},
};

Result<MixEntry> parse_entry(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* known =
      std::find_if(std::begin(kKinds), std::end(kKinds), [&](const KindName& k) { return k.name == name; });
  if (known == std::end(kKinds)) {
    return invalid_argument("'" + std::string(name) +
                            "' is no kind of request; there are recommend, features, places, healthz and interactions");
  }
  MixEntry entry{known->kind, 1.0};
  if (equals == std::string_view::npos) return entry;
  const std::string_view weight = text.substr(equals + 1);
  const auto [end, error] = std::from_chars(weight.data(), weight.data() + weight.size(), entry.weight);
  const bool whole = error == std::errc() && end == weight.data() + weight.size();
  if (!whole || !(entry.weight > 0.0) || !(entry.weight < 1e9)) {
    return invalid_argument("'" + std::string(text) + "': a weight is a number above 0, such as recommend=8");
  }
  return entry;
}

std::vector<std::string> in_json(const std::vector<std::string>& ids) {
  std::vector<std::string> encoded;
  encoded.reserve(ids.size());
  for (const std::string& id : ids) {
    encoded.push_back(nlohmann::json(id).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return encoded;
}

std::vector<std::string> in_path(const std::vector<std::string>& ids) {
  std::vector<std::string> encoded;
  encoded.reserve(ids.size());
  for (const std::string& id : ids) encoded.push_back(cli::percent_encode(id));
  return encoded;
}

std::vector<double> weights_of(const std::vector<MixEntry>& mix) {
  std::vector<double> weights;
  for (const MixEntry& entry : mix) weights.push_back(entry.weight);
  return weights;
}

std::optional<KeyDraw> draw_of(const KeyShape& shape, const std::vector<std::string>& ids) {
  if (ids.empty()) return std::nullopt;
  return KeyDraw(shape, ids.size());
}

void append_degrees(double degrees, std::string* out) {
  char text[32];
  // Seven decimals are a centimetre.
  const auto [end, error] = std::to_chars(text, text + sizeof text, degrees, std::chars_format::fixed, 7);
  if (error == std::errc()) out->append(text, end);
}

bool asks(const WorkloadOptions& options, std::initializer_list<RequestKind> kinds) {
  return std::any_of(options.mix.begin(), options.mix.end(), [&](const MixEntry& entry) {
    return std::find(kinds.begin(), kinds.end(), entry.kind) != kinds.end();
  });
}

}  // namespace

std::string name_of(RequestKind kind) {
  for (const KindName& known : kKinds) {
    if (known.kind == kind) return std::string(known.name);
  }
  return "bodies";
}

Result<std::vector<MixEntry>> parse_mix(const std::string& text) {
  std::vector<MixEntry> mix;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    CAIRN_ASSIGN_OR_RETURN(const MixEntry entry, parse_entry(rest.substr(0, comma)));
    for (const MixEntry& other : mix) {
      if (other.kind == entry.kind) return invalid_argument("'" + name_of(entry.kind) + "' stands twice in the mix");
    }
    mix.push_back(entry);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (mix.empty()) return invalid_argument("the mix is empty; write one such as recommend=8,features=2");
  return mix;
}

Workload::Workload(const WorkloadOptions& options, std::string host, std::uint64_t seed)
    : mix_(options.mix),
      bodies_(options.bodies),
      path_(options.path),
      at_(options.at),
      box_(options.box),
      limit_(options.limit),
      end_("Host: " + std::move(host) + "\r\nUser-Agent: cairn-load\r\n"),
      user_draw_(draw_of(options.shape, options.users)),
      place_draw_(draw_of(options.shape, options.places)),
      random_(seed),
      kinds_([&] {
        const std::vector<double> weights = weights_of(options.mix);
        return std::discrete_distribution<std::size_t>(weights.begin(), weights.end());
      }()) {
  // Each list once, in the ways in which it is needed.
  if (asks(options, {RequestKind::kRecommend, RequestKind::kInteractions})) users_in_json_ = in_json(options.users);
  if (asks(options, {RequestKind::kFeatures})) users_in_path_ = in_path(options.users);
  if (asks(options, {RequestKind::kInteractions})) places_in_json_ = in_json(options.places);
  if (asks(options, {RequestKind::kPlaces})) places_in_path_ = in_path(options.places);
  next_body_ = bodies_.empty() ? 0 : seed % bodies_.size();
}

RequestKind Workload::next(std::string* bytes) {
  const RequestKind kind = mix_[mix_.size() == 1 ? 0 : kinds_(random_)].kind;
  switch (kind) {
    case RequestKind::kRecommend:
      make_recommend_body();
      write_post("/v1/recommendations", body_, bytes);
      break;
    case RequestKind::kFeatures:
      write_get("/v1/features/user/", users_in_path_[user_draw_->next(random_)], bytes);
      break;
    case RequestKind::kPlaces:
      write_get("/v1/places/", places_in_path_[place_draw_->next(random_)], bytes);
      break;
    case RequestKind::kHealthz:
      write_get("/healthz", {}, bytes);
      break;
    case RequestKind::kInteractions:
      make_event_body();
      write_post("/v1/interactions", body_, bytes);
      break;
    case RequestKind::kBodies:
      write_post(path_, bodies_[next_body_], bytes);
      next_body_ = (next_body_ + 1) % bodies_.size();
      break;
  }
  return kind;
}

void Workload::write_get(std::string_view path, const std::string& id, std::string* bytes) const {
  bytes->assign("GET ").append(path).append(id).append(" HTTP/1.1\r\n").append(end_).append("\r\n");
}

void Workload::write_post(std::string_view path, std::string_view body, std::string* bytes) const {
  bytes->assign("POST ").append(path).append(" HTTP/1.1\r\n").append(end_);
  bytes->append("Content-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size()));
  bytes->append("\r\n\r\n").append(body);
}

void Workload::make_recommend_body() {
  body_.assign(R"({"user_id":)").append(users_in_json_[user_draw_->next(random_)]);
  std::optional<GeoPoint> at = at_;
  if (box_) {
    std::uniform_real_distribution<double> unit(0.0, 1.0);
    const double north = unit(random_);
    const double east = unit(random_);
    at = GeoPoint{box_->from.lat + north * (box_->to.lat - box_->from.lat),
                  box_->from.lon + east * (box_->to.lon - box_->from.lon)};
  }
  if (at) {
    append_degrees(at->lat, &body_.append(R"(,"lat":)"));
    append_degrees(at->lon, &body_.append(R"(,"lon":)"));
  }
  body_.append(R"(,"limit":)").append(std::to_string(limit_)).append("}");
}

void Workload::make_event_body() {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  body_.assign(R"({"user_id":)").append(users_in_json_[user_draw_->next(random_)]);
  body_.append(R"(,"place_id":)").append(places_in_json_[place_draw_->next(random_)]);
  body_.append(R"(,"type":"view","ts":)").append(std::to_string(now.count())).append("}");
}

}  // namespace cairn::load
