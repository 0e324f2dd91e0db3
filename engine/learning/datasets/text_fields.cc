#include "engine/learning/datasets/text_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "cairn/ids.h"
#include "cairn/rfc3339.h"
#include "cairn/utf8.h"
#include "streaming/line_reader.h"

namespace cairn::datasets::text {
namespace {

std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return "'" + to_utf8(text.substr(0, kShown)) + (text.size() > kShown ? "...'" : "'");
}

template <class Number>
bool parse_number(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

}  // namespace

Status for_each_line(const std::string& path,
                     const std::function<Fault(std::size_t number, std::string_view line)>& take) {
  auto opened = streaming::open_line_reader(path);
  if (!opened.ok()) return std::move(opened).status();
  std::string_view line;
  for (std::size_t number = 1;; ++number) {
    CAIRN_ASSIGN_OR_RETURN(const bool more, (*opened)->next(&line));
    if (!more) return ok_status();
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (const Fault fault = take(number, line); !fault.empty()) {
      return invalid_argument(path + ":" + std::to_string(number) + ": " + fault);
    }
  }
}

std::optional<std::string> find_file(const std::string& dir, const std::string& subfolder,
                                     const std::vector<std::string>& names) {
  const std::filesystem::path root(dir);
  for (const std::filesystem::path& folder : {root, root / subfolder}) {
    for (const std::string& name : names) {
      std::error_code ignored;
      if (std::filesystem::is_regular_file(folder / name, ignored)) return (folder / name).string();
    }
  }
  return std::nullopt;
}

void split(std::string_view line, char separator, std::vector<std::string_view>* fields) {
  fields->clear();
  for (;;) {
    const std::size_t end = line.find(separator);
    fields->push_back(line.substr(0, end));
    if (end == std::string_view::npos) return;
    line.remove_prefix(end + 1);
  }
}

bool split_csv(std::string_view line, std::vector<std::string>* fields) {
  fields->assign(1, {});
  std::size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ',') {
      fields->emplace_back();
      ++i;
    } else if (line[i] == '"' && fields->back().empty()) {
      for (++i;; ++i) {
        if (i == line.size()) return false;
        if (line[i] == '"' && (i + 1 == line.size() || line[i + 1] != '"')) break;
        if (line[i] == '"') ++i;
        fields->back() += line[i];
      }
      if (++i < line.size() && line[i] != ',') return false;
    } else {
      fields->back() += line[i++];
    }
  }
  return true;
}

Fault parse_position(std::string_view lat, std::string_view lon, GeoPoint* position) {
  if (!parse_number(lat, &position->lat)) return "latitude " + quoted(lat) + " is not a number";
  if (!parse_number(lon, &position->lon)) return "longitude " + quoted(lon) + " is not a number";
  if (!valid_position(*position)) return "position " + quoted(lat) + ", " + quoted(lon) + " is not on the Earth";
  return {};
}

Fault parse_id(std::string_view what, std::string_view text, std::string* id) {
  if (!valid_id(text)) return std::string(what) + " id " + quoted(text) + " must have 1 to 128 bytes";
  if (!is_utf8(text)) return std::string(what) + " id " + quoted(text) + " is no UTF-8";
  *id = text;
  return {};
}

Fault parse_text(std::string_view what, std::string_view text, std::string* value) {
  if (!is_utf8(text)) return std::string(what) + " " + quoted(text) + " is no UTF-8; convert the file with iconv";
  *value = text;
  return {};
}

Fault parse_time(std::string_view text, EventTime* time) {
  const std::optional<EventTime> parsed = parse_rfc3339(text);
  if (!parsed) return "time " + quoted(text) + " is not like 2012-04-03T18:00:00Z";
  *time = *parsed;
  return {};
}

Fault parse_ctime(std::string_view text, EventTime* time) {
  const Fault fault = "time " + quoted(text) + " is not like Tue Apr 03 18:00:09 +0000 2012";
  std::vector<std::string_view> parts;
  split(text, ' ', &parts);
  if (parts.size() != 6 || parts[2].size() != 2 || parts[3].size() != 8 || parts[4].size() != 5) return fault;
  const std::optional<unsigned> month = month_of(parts[1]);
  if (!month || parts[5].size() != 4) return fault;
  const std::string digits = std::to_string(*month + 100).substr(1);
  const std::string_view offset = parts[4];
  const std::string rfc3339 = std::string(parts[5]) + "-" + digits + "-" + std::string(parts[2]) + "T" +
                              std::string(parts[3]) + std::string(offset.substr(0, 3)) + ":" +
                              std::string(offset.substr(3));
  const std::optional<EventTime> parsed = parse_rfc3339(rfc3339);
  if (!parsed) return fault;
  *time = *parsed;
  return {};
}

std::string to_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8 += c;
    } else {
      utf8 += static_cast<char>(0xc0 | (byte >> 6));
      utf8 += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return utf8;
}

}  // namespace cairn::datasets::text
