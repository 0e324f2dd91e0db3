#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/source.h"

namespace cairn::streaming {

/// A payload in memory of its own, with the padding that the decoder may read and must not heed.
class Padded {
 public:
  /// `padding` is repeated.
  explicit Padded(std::string_view payload, std::string_view padding = "\"}]9e,\\{")
      : size_(payload.size()), bytes_(new char[size_ + kPayloadPadding]) {
    std::memcpy(bytes_.get(), payload.data(), size_);
    for (std::size_t i = 0; i < kPayloadPadding; ++i) bytes_[size_ + i] = padding[i % padding.size()];
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

/// Makes payloads that are nearly events: most are, many are odd, one in four is damaged.
class NearlyEvents {
 public:
  explicit NearlyEvents(std::uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string payload = event();
    const int mutations = pick(4) == 0 ? 1 + pick(3) : 0;
    for (int i = 0; i < mutations; ++i) mutate(&payload);
    return payload;
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  std::string one_of(const std::vector<std::string>& choices) {
    return choices[static_cast<std::size_t>(pick(static_cast<int>(choices.size())))];
  }

  std::string space() { return pick(8) == 0 ? one_of({" ", "\t", "\r", "\n", "  "}) : ""; }

  std::string odd_value() {
    return one_of({"null",
                   "true",
                   "false",
                   "0",
                   "-0",
                   "-1",
                   "1.5",
                   "1e3",
                   "1E+400",
                   "18446744073709551615",
                   "18446744073709551616",
                   "-9223372036854775809",
                   "9223372036854775808",
                   "\"\"",
                   "\"a\\u0000\"",
                   "[]",
                   "{}",
                   "[[{}]]",
                   "{\"ts\":1,\"ts\":2}",
                   "\"\\ud83d\\ude00\"",
                   "\"\\ud83d\"",
                   "\"\\/\\b\"",
                   "\"\xc3\xa9\"",
                   "\"\xc3\"",
                   "91",
                   "-180",
                   "180.00000001",
                   "5e-324",
                   "0.1",
                   "123456789012345678",
                   "\"" + std::string(128, 'i') + "\"",
                   "\"" + std::string(129, 'i') + "\""});
  }

  std::string usual_value(const std::string& name) {
    if (name == "type") return "\"" + one_of({"view", "click", "visit", "rate", "save", "dismiss", "share"}) + "\"";
    if (name == "ts") {
      return one_of({"\"2024-05-01T12:00:00Z\"", "1714566600000", "\"2024-05-01 12:00:00.5+02:00\"", "946684800000"});
    }
    if (name == "retract") return one_of({"true", "false"});
    if (name == "value" || name == "lat" || name == "lon") return std::to_string(pick(180000) / 1000.0 - 90.0);
    return pick(3) == 0 ? std::to_string(random_()) : "\"id-" + std::to_string(pick(1000)) + "\"";
  }

  std::string key(const std::string& name) {
    if (pick(20) != 0) return "\"" + name + "\"";
    std::string escaped = "\"";
    for (const char c : name) {
      char unit[7];
      std::snprintf(unit, sizeof unit, "\\u%04x", static_cast<unsigned>(c));
      escaped += pick(3) == 0 ? std::string(unit) : std::string(1, c);
    }
    return escaped + "\"";
  }

  std::string event() {
    std::vector<std::string> names = {"user_id", "place_id", "type", "ts"};
    for (const char* optional : {"value", "event_id", "source", "x"}) {
      if (pick(3) == 0) names.emplace_back(optional);
    }
    if (pick(3) == 0) names.insert(names.end(), {"lat", "lon"});
    if (pick(8) == 0) names.emplace_back("retract");
    if (pick(30) == 0) names.push_back(one_of(names));
    if (pick(30) == 0) names.erase(names.begin() + pick(static_cast<int>(names.size())));
    std::shuffle(names.begin(), names.end(), random_);
    std::string text = space() + "{" + space();
    for (std::size_t i = 0; i < names.size(); ++i) {
      text += i > 0 ? "," + space() : "";
      text += key(names[i]) + space() + ":" + space() + (pick(25) == 0 ? odd_value() : usual_value(names[i])) + space();
    }
    return text + "}" + space();
  }

  void mutate(std::string* text) {
    if (text->empty()) return;
    const auto at = static_cast<std::size_t>(pick(static_cast<int>(text->size())));
    switch (pick(6)) {
      case 0:
        (*text)[at] = static_cast<char>(random_());
        break;
      case 1:
        text->erase(at, 1 + static_cast<std::size_t>(pick(4)));
        break;
      case 2:
        text->insert(
            at, one_of({"\"", "\\", ",", ":", "{", "}", "[", "]", "\0x", "e", "-", ".", "0", "\xEF\xBB\xBF", "//"}));
        break;
      case 3:
        text->resize(at);
        break;
      case 4:
        text->insert(at, odd_value());
        break;
      default:
        text->insert(at, text->substr(static_cast<std::size_t>(pick(static_cast<int>(text->size()))), 20));
        break;
    }
  }

  std::mt19937_64 random_;
};

}  // namespace cairn::streaming
