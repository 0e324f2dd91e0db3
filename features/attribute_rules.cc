#include "features/attribute_rules.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "cairn/utf8.h"
#include "features/opening_hours.h"

namespace cairn::features {

namespace {

using List = std::vector<AttributeScalar>;

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<bool> boolean_of(std::string_view text) {
  std::string word(trimmed(text));
  for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  if (word == "true" || word == "yes" || word == "1") return true;
  if (word == "false" || word == "no" || word == "0") return false;
  return std::nullopt;
}

/// "8:30" to "08:30", so that times compare as texts do.
std::optional<std::string> time_of(std::string_view text) {
  text = trimmed(text);
  if (text.size() == 8 && text.ends_with(":00")) text.remove_suffix(3);  // a database's time, with seconds
  const std::size_t colon = text.find(':');
  if ((colon != 1 && colon != 2) || text.size() != colon + 3) return std::nullopt;
  std::string digits =
      std::string(2 - colon, '0') + std::string(text.substr(0, colon)) + std::string(text.substr(colon + 1));
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  if (digits.substr(0, 2) > "23" || digits.substr(2) > "59") return std::nullopt;
  return digits.insert(2, ":");
}

List list_of(std::string_view text) {
  List list;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    if (const std::string_view one = trimmed(text.substr(0, end)); !one.empty()) list.emplace_back(std::string(one));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

std::string shown(const std::string& text) {
  constexpr std::size_t kShown = 120;
  if (text.size() <= kShown) return "'" + text + "'";
  std::size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) --cut;
  return "'" + text.substr(0, cut) + "...'";
}

std::string kind_of(const Attribute& attribute) {
  if (std::holds_alternative<bool>(attribute.value)) return "a boolean";
  if (std::holds_alternative<double>(attribute.value)) return "a number";
  if (std::holds_alternative<List>(attribute.value)) return "a list";
  return shown(std::get<std::string>(attribute.value));
}

/// Returns: empty, or what is wrong with the text, and counts its bytes.
const char* text_trouble(std::string_view text, std::size_t* bytes) {
  *bytes += text.size();
  if (!is_utf8(text)) return "is no UTF-8";
  return text.find('\0') != std::string_view::npos ? "holds a NUL" : nullptr;
}

const char* scalar_trouble(const AttributeScalar& value, std::size_t* bytes) {
  if (const auto* text = std::get_if<std::string>(&value)) return text_trouble(*text, bytes);
  *bytes += sizeof(double);
  const auto* number = std::get_if<double>(&value);
  return number != nullptr && !std::isfinite(*number) ? "holds a number that is not finite" : nullptr;
}

const char* value_trouble(const Attribute& attribute, std::size_t* bytes) {
  if (const auto* list = std::get_if<List>(&attribute.value)) {
    for (const AttributeScalar& one : *list) {
      if (const char* trouble = scalar_trouble(one, bytes)) return trouble;
    }
    return nullptr;
  }
  if (const auto* text = std::get_if<std::string>(&attribute.value)) return text_trouble(*text, bytes);
  *bytes += sizeof(double);
  const auto* number = std::get_if<double>(&attribute.value);
  return number != nullptr && !std::isfinite(*number) ? "holds a number that is not finite" : nullptr;
}

}  // namespace

Status AttributeRules::check(const std::vector<AttributeSpec>& specs) {
  bool hours = false;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const AttributeSpec& spec = specs[i];
    const std::string key = "attribute[" + std::to_string(i) + "].";
    if (spec.name.empty() || spec.name.size() > kAttributeNameBytesMax || !is_utf8(spec.name)) {
      return invalid_argument(key + "name: must have 1 to 128 bytes of UTF-8");
    }
    if (spec.name == "category") {
      return invalid_argument(key + "name: 'category' is a field of every place, and no attribute");
    }
    const auto same = [&](const AttributeSpec& other) { return other.name == spec.name; };
    if (std::any_of(specs.begin(), specs.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      return invalid_argument(key + "name: '" + spec.name + "' is declared twice");
    }
    if (spec.type == AttributeType::kHours && std::exchange(hours, true)) {
      return invalid_argument(key + "type: another attribute is declared as hours already; places have one");
    }
    if (spec.type != AttributeType::kHours && spec.on_unreadable != OnUnreadable::kRefuse) {
      return invalid_argument(key + "on_unreadable: only hours have it");
    }
  }
  return ok_status();
}

const AttributeSpec* AttributeRules::find(std::string_view name) const noexcept {
  const auto at = std::find_if(specs_.begin(), specs_.end(), [name](const auto& spec) { return spec.name == name; });
  return at == specs_.end() ? nullptr : &*at;
}

const AttributeSpec* AttributeRules::hours() const noexcept {
  const auto at =
      std::find_if(specs_.begin(), specs_.end(), [](const auto& spec) { return spec.type == AttributeType::kHours; });
  return at == specs_.end() ? nullptr : &*at;
}

Status AttributeRules::conform(Attribute* attribute) const {
  const auto bad = [&](const std::string& what) {
    return invalid_argument("attribute '" + attribute->name + "' " + what);
  };
  if (attribute->name == kTimeZoneAttribute && known_zone_) {
    const auto* zone = std::get_if<std::string>(&attribute->value);
    if (zone == nullptr || !known_zone_(*zone)) {
      return bad("is no time zone: " + kind_of(*attribute) + "; name one such as Europe/Berlin");
    }
  }
  const AttributeSpec* spec = find(attribute->name);
  if (spec == nullptr) return ok_status();
  const auto* text = std::get_if<std::string>(&attribute->value);
  const auto differs = [&](const std::string& wanted) {
    return bad("is declared as " + std::string(to_string(spec->type)) + ", and is " + kind_of(*attribute) + "; " +
               wanted);
  };
  switch (spec->type) {
    case AttributeType::kString:
      if (text == nullptr) return differs("write a text");
      break;
    case AttributeType::kNumber:
      if (std::holds_alternative<double>(attribute->value)) break;
      if (const auto number = text != nullptr ? number_of(*text) : std::nullopt) {
        attribute->value = *number;
        break;
      }
      return differs("write one such as 4.5");
    case AttributeType::kBoolean:
      if (std::holds_alternative<bool>(attribute->value)) break;
      if (const auto flag = text != nullptr ? boolean_of(*text) : std::nullopt) {
        attribute->value = *flag;
        break;
      }
      return differs("write true, false, yes or no");
    case AttributeType::kList:
      if (text != nullptr) {
        attribute->value = list_of(*text);
      } else if (const auto* number = std::get_if<double>(&attribute->value)) {
        attribute->value = List{*number};
      } else if (const auto* flag = std::get_if<bool>(&attribute->value)) {
        attribute->value = List{*flag};
      }
      break;
    case AttributeType::kHours: {
      if (text == nullptr) return differs("write them as Mo-Fr 08:00-18:00");
      if (spec->on_unreadable == OnUnreadable::kUnknown) break;
      const auto read = OpeningHours::parse(*text);
      if (!read.ok())
        return bad("is no opening hours that can be read: " + shown(*text) + ", " + read.status().message());
      break;
    }
    case AttributeType::kTime:
      if (auto time = text != nullptr ? time_of(*text) : std::nullopt) {
        attribute->value = *std::move(time);
        break;
      }
      return differs("write one such as 08:30");
  }
  return ok_status();
}

Status AttributeRules::conform(Attributes* attributes) const {
  if (attributes->empty()) return ok_status();
  Attributes copy = *attributes;
  std::vector<Attribute>& all = copy.edit();
  if (all.size() > kAttributesMax) return invalid_argument("it has more than 256 attributes");
  std::sort(all.begin(), all.end(), [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Attribute& one = all[i];
    std::size_t name_bytes = 0;
    if (one.name.empty() || one.name.size() > kAttributeNameBytesMax ||
        text_trouble(one.name, &name_bytes) != nullptr) {
      return invalid_argument("an attribute's name has 1 to 128 bytes of UTF-8 without NUL");
    }
    if (one.name == "category") return invalid_argument("'category' is a field of its own, and no attribute");
    if (i > 0 && all[i - 1].name == one.name) return invalid_argument("attribute '" + one.name + "' is given twice");
    bytes += name_bytes;
    if (const char* trouble = value_trouble(one, &bytes)) {
      return invalid_argument("attribute '" + one.name + "' " + trouble);
    }
    if (bytes > kAttributesBytesMax) return invalid_argument("its attributes have more than 16,384 bytes together");
    CAIRN_RETURN_IF_ERROR(conform(&one));
  }
  *attributes = std::move(copy);
  return ok_status();
}

void AttributeRules::conform_stored(Attributes* attributes) const {
  if (specs_.empty()) return;
  for (std::size_t i = 0; i < attributes->size(); ++i) {
    if (find((*attributes)[i].name) == nullptr) continue;
    Attribute one = (*attributes)[i];
    if (conform(&one).ok() && one != (*attributes)[i]) attributes->edit()[i] = std::move(one);
  }
}

AttributeScalar AttributeRules::conform(std::string_view name, AttributeScalar value) const {
  const AttributeSpec* spec = find(name);
  const auto* text = std::get_if<std::string>(&value);
  if (spec == nullptr || text == nullptr) return value;
  if (spec->type == AttributeType::kNumber) {
    if (const auto number = number_of(*text)) return *number;
  } else if (spec->type == AttributeType::kBoolean) {
    if (const auto flag = boolean_of(*text)) return *flag;
  } else if (spec->type == AttributeType::kTime) {
    if (auto time = time_of(*text)) return *std::move(time);
  }
  return value;
}

}  // namespace cairn::features
