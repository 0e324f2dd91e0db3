#include "tools/cairn/load/ids.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "tools/cairn/line_source.h"

namespace cairn::load {
namespace {

constexpr std::size_t kLinesMax = 10'000'000;

Status at_line(const std::string& path, std::uint64_t line, const std::string& what) {
  return invalid_argument(path + ":" + std::to_string(line) + ": " + what);
}

/// Calls `take` with every line; its failure is told with the place it is about.
Status for_lines(const std::string& path, const std::function<Status(std::string_view)>& take) {
  CAIRN_ASSIGN_OR_RETURN(cli::LineSource lines, cli::LineSource::open(path));
  while (true) {
    std::string_view line;
    CAIRN_ASSIGN_OR_RETURN(const bool more, lines.next(&line));
    if (!more) return {};
    if (const Status taken = take(line); !taken.ok()) return at_line(path, lines.number(), taken.message());
  }
}

Result<std::string> id_of(std::string_view line, const char* name) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!line.starts_with('{')) return std::string(line);
  const auto object = nlohmann::json::parse(line, nullptr, false);
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (object.is_object() && found != object.end()) {
    if (found->is_string()) return found->get<std::string>();
    if (found->is_number_unsigned()) return std::to_string(found->get<std::uint64_t>());
  }
  return invalid_argument(std::string("neither an id nor a JSON object with ") + name);
}

}  // namespace

Result<std::vector<std::string>> read_ids(const std::string& path, const char* name) {
  std::vector<std::string> ids;
  std::unordered_set<std::string> known;
  CAIRN_RETURN_IF_ERROR(for_lines(path, [&](std::string_view line) -> Status {
    CAIRN_ASSIGN_OR_RETURN(std::string id, id_of(line, name));
    if (id.empty()) return {};  // a blank line
    if (id.size() > 128) return invalid_argument("an id has 1 to 128 bytes");
    if (known.insert(id).second) ids.push_back(std::move(id));
    return ids.size() > kLinesMax ? invalid_argument("more than ten million ids; take a part of them") : Status();
  }));
  if (ids.empty()) return invalid_argument(path + " holds no ids");
  return ids;
}

Result<std::vector<std::string>> read_bodies(const std::string& path) {
  std::vector<std::string> bodies;
  CAIRN_RETURN_IF_ERROR(for_lines(path, [&](std::string_view line) -> Status {
    if (cli::trimmed(line).empty()) return {};
    if (!nlohmann::json::parse(line, nullptr, false).is_object()) return invalid_argument("no JSON object");
    bodies.emplace_back(line);
    return bodies.size() > kLinesMax ? invalid_argument("more than ten million requests; take a part of them")
                                     : Status();
  }));
  if (bodies.empty()) return invalid_argument(path + " holds no requests");
  return bodies;
}

std::vector<std::string> made_ids(const std::string& prefix, std::uint64_t count) {
  std::vector<std::string> ids;
  ids.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) ids.push_back(prefix + std::to_string(i));
  return ids;
}

}  // namespace cairn::load
