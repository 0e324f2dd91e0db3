#include "engine/serving/api/query.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "engine/serving/json/fields.h"

namespace cairn::serving {
namespace {

using Kind = QueryMember::Kind;

Status unknown_parameter(const std::string& name, std::span<const QueryMember> members) {
  std::vector<std::string> known;
  for (const QueryMember& member : members) known.emplace_back(member.name);
  const std::string near = json::nearest_name(name, known);
  return invalid_argument("there is no parameter '" + name.substr(0, 64) + "' here" +
                          (near.empty() ? "" : "; did you mean '" + near + "'?"));
}

std::string_view kind_of(Kind kind) {
  switch (kind) {
    case Kind::kNumber:
      return "a number";
    case Kind::kFlag:
      return "true or false";
    case Kind::kText:
    case Kind::kTexts:
    case Kind::kTime:
      break;
  }
  return "text";
}

json::Value time_of(std::string text) {
  constexpr std::size_t kZone = std::string_view(" 02:00").size();
  if (const auto ms = json::parse(text); ms.ok() && ms->as<std::int64_t>()) return *ms;
  // No time ends in a space and five letters more, so that nothing else can be meant.
  if (text.size() > kZone && text[text.size() - kZone] == ' ') text[text.size() - kZone] = '+';
  return json::Value{std::move(text)};
}

/// Null: the text is not of the kind.
std::optional<json::Value> value_of(const std::string& text, Kind kind) {
  if (kind == Kind::kText || kind == Kind::kTexts) return json::Value{text};
  if (kind == Kind::kTime) return time_of(text);
  auto parsed = json::parse(text);
  if (!parsed.ok()) return std::nullopt;
  const bool is_flag = parsed->as<bool>() != nullptr;
  const bool is_number = parsed->as<double>() || parsed->as<std::int64_t>() || parsed->as<std::uint64_t>();
  if (kind == Kind::kFlag ? !is_flag : !is_number) return std::nullopt;
  return *std::move(parsed);
}

}  // namespace

Result<json::Value> object_of(const Query& query, std::span<const QueryMember> members) {
  json::Value::Object object;
  for (const auto& [name, text] : query) {
    const auto member = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.name == name; });
    if (member == members.end()) return unknown_parameter(name, members);
    auto value = value_of(text, member->kind);
    if (!value) return invalid_argument(name + " must be " + std::string(kind_of(member->kind)));
    const auto before = std::find_if(object.begin(), object.end(), [&](const auto& one) { return one.name == name; });
    if (member->kind != Kind::kTexts) {
      if (before != object.end()) return invalid_argument(name + " stands more than once");
      object.push_back({name, *std::move(value)});
    } else if (before == object.end()) {
      object.push_back({name, json::Value{json::Value::Array{*std::move(value)}}});
    } else {
      std::get<json::Value::Array>(before->value.data).push_back(*std::move(value));
    }
  }
  return json::Value{std::move(object)};
}

std::string text_of(const Query& query) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kAsTheyAre = "-._~";
  std::string text;
  const auto append = [&](std::string_view part) {
    for (const char c : part) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         kAsTheyAre.find(c) != std::string_view::npos;
      if (plain) {
        text += c;
        continue;
      }
      const auto byte = static_cast<unsigned char>(c);
      text += '%';
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15u];
    }
  };
  for (const auto& [name, value] : query) {
    if (!text.empty()) text += '&';
    append(name);
    text += '=';
    append(value);
  }
  return text;
}

}  // namespace cairn::serving
