#include "bench/ingest/options.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace cairn::bench {
namespace {

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (comma > 0) names.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return names;
}

bool read_number(std::string_view text, std::optional<std::size_t>* number) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0) return false;
  *number = value;
  return true;
}

bool take(std::string_view name, std::string_view value, IngestOptions* options) {
  if (name == "--only") options->only = split(value);
  if (name == "--data") options->data_folder = value;
  if (name == "--only" || name == "--data") return !value.empty();
  if (name == "--events") return read_number(value, &options->events);
  if (name == "--users") return read_number(value, &options->users);
  if (name == "--places") return read_number(value, &options->places);
  if (name == "--rounds") return read_number(value, &options->rounds);
  return false;
}

}  // namespace

std::optional<IngestOptions> parse_ingest_options(int argc, char** argv) {
  IngestOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      options.quick = true;
      continue;
    }
    const std::string_view value = i + 1 < argc ? argv[++i] : "";
    if (take(name, value, &options)) continue;
    std::fprintf(stderr, "bench ingest: cannot use '%s %s'\n", argv[i - (value.empty() ? 0 : 1)],
                 std::string(value).c_str());
    return std::nullopt;
  }
  return options;
}

}  // namespace cairn::bench
