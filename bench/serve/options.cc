#include "bench/serve/options.h"

#include <algorithm>
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

bool take(std::string_view name, std::string_view value, ServeOptions* options) {
  if (name == "--only") {
    options->only = split(value);
    return !options->only.empty();
  }
  if (name != "--rounds") return false;
  std::size_t rounds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), rounds);
  options->rounds = rounds;
  return error == std::errc{} && end == value.data() + value.size() && rounds > 0;
}

}  // namespace

std::optional<ServeOptions> parse_serve_options(int argc, char** argv) {
  ServeOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--quick") {
      options.quick = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (take(name, value, &options)) continue;
    std::fprintf(stderr, "bench serve: cannot use '%s %s'\n", name.c_str(), value.c_str());
    return std::nullopt;
  }
  return options;
}

}  // namespace cairn::bench
