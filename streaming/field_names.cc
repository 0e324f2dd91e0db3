#include "streaming/field_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <vector>

#include "streaming/simdjson/event_fields.h"

namespace cairn::streaming {
namespace {

struct OtherNames {
  std::string_view field;
  std::vector<std::string_view> names;  ///< small letters without separators
};

/// What analytics tools, shops and check-in services call the contract's fields.
const std::vector<OtherNames>& other_names() {
  static const std::vector<OtherNames> all = {
      {"user_id",
       {"user",       "uid",       "customerid", "customer",    "visitorid", "clientid", "accountid", "memberid",
        "personid",   "profileid", "actorid",    "anonymousid", "userkey",   "username", "deviceid",  "subjectid",
        "reviewerid", "visitor",   "client",     "account",     "member",    "person",   "actor",     "who"}},
      {"place_id", {"place",  "venueid",    "venue",      "where",     "itemid",  "item",      "poiid",
                    "poi",    "businessid", "locationid", "location",  "shopid",  "storeid",   "restaurantid",
                    "spotid", "contentid",  "objectid",   "productid", "hotelid", "listingid", "pid"}},
      {"type",
       {"event", "eventtype", "eventname", "action", "what", "actiontype", "kind", "interaction", "interactiontype",
        "activity", "verb", "behavior"}},
      {"ts",
       {"timestamp", "time", "eventtime", "eventtimestamp", "datetime", "date", "createdat", "created", "occurredat",
        "happenedat", "at", "when", "visitedat", "checkintime", "utctime", "timems", "unixtime"}},
      {"value", {"rating", "score", "stars", "dwell", "duration", "amount", "weight"}},
      {"lat", {"latitude", "y", "geolat", "userlat"}},
      {"lon", {"lng", "long", "longitude", "x", "geolon", "geolng", "userlon", "userlng"}},
      {"event_id", {"id", "eventuuid", "uuid", "messageid", "insertid", "dedupid", "requestid"}},
  };
  return all;
}

std::string plain(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

/// Levenshtein's distance. Requires: `b` has less than 32 bytes.
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::array<std::size_t, 32> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string shown(std::string_view name) {
  constexpr std::size_t kBytesMax = 40;
  std::size_t size = std::min(name.size(), kBytesMax);
  while (size < name.size() && size > 0 && (static_cast<unsigned char>(name[size]) & 0xC0U) == 0x80U) --size;
  std::string out(name.substr(0, size));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return "'" + out + (size < name.size() ? "...'" : "'");
}

}  // namespace

std::string_view likely_field(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 64;  // bounds the work that a name can cause
  if (name.size() > kNameBytesMax) return {};
  const std::string letters = plain(name);
  for (const OtherNames& one : other_names()) {
    if (letters == plain(one.field)) return one.field;
    if (std::find(one.names.begin(), one.names.end(), letters) != one.names.end()) return one.field;
  }
  for (const OtherNames& one : other_names()) {
    const std::string own = plain(one.field);
    // Of a short name a third may be wrong: any two letters are near to "ts".
    if (own.size() >= 4 && edits_between(letters, own) <= own.size() / 3) return one.field;
  }
  return {};
}

std::string unknown_members(std::span<const std::string_view> names, std::string_view missing) {
  constexpr std::size_t kShown = 5;
  constexpr std::size_t kLookedAt = 32;  // bounds the work that an event can cause
  if (names.empty()) return {};
  std::string text = names.size() == 1 ? "; it has the unknown member " : "; it has the unknown members ";
  std::string_view meant;
  for (const std::string_view name : names.first(std::min(names.size(), kLookedAt))) {
    if (likely_field(name) == missing) meant = name;
  }
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", " : "") + shown(names[i]);
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  if (meant.empty()) return text;
  const std::string field(missing);
  const std::string quoted = shown(meant);
  const std::string name = quoted.substr(1, quoted.size() - 2);
  return text + "; " + quoted + ": did you mean '" + field + "'? Rename it, or map it: fields." + name + " = \"" +
         field + "\" in [mapping] (--map " + name + "=" + field + ")";
}

}  // namespace cairn::streaming
