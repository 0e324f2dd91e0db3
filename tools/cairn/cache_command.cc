#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/byte_text.h"
#include "tools/cairn/api_client.h"
#include "tools/cairn/line_source.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kWarmAtOnce = 200;
constexpr std::chrono::minutes kWarmTimeout{10};

void line(const char* label, const std::string& value) {
  std::string text = label;
  text.resize(15, ' ');
  print(text + value + "\n");
}

void show_disk(const nlohmann::json& disk) {
  line("on disk", byte_text(count_at(disk, "bytes")) + " of " + byte_text(count_at(disk, "limit")) + ", " +
                      grouped(count_at(disk, "hits")) + " hits, " + grouped(count_at(disk, "misses")) + " misses, " +
                      grouped(count_at(disk, "writes")) + " written, " + grouped(count_at(disk, "dropped")) +
                      " dropped");
  if (!text_at(disk, "trouble").empty()) line("disk trouble", text_at(disk, "trouble"));
}

void show_shared(const nlohmann::json& shared) {
  line("in PostgreSQL", "about " + grouped(count_at(shared, "rows")) + " answers, " +
                            byte_text(count_at(shared, "bytes")) + ", " + grouped(count_at(shared, "hits")) +
                            " hits, " + grouped(count_at(shared, "misses")) + " misses, " +
                            grouped(count_at(shared, "passed")) + " not waited for, " +
                            grouped(count_at(shared, "writes")) + " written, " + grouped(count_at(shared, "dropped")) +
                            " dropped, " + grouped(count_at(shared, "expired")) + " removed as old");
  if (!text_at(shared, "trouble").empty()) line("its trouble", text_at(shared, "trouble"));
  if (!text_at(shared, "alone").empty()) line("for itself", text_at(shared, "alone"));
}

/// "128 of 128 lists of popular cells, 3 rounds, 412 computed; the last took 96 ms"
std::string warming_text(const nlohmann::json& warming) {
  std::string text = grouped(count_at(warming, "done")) + " of " + grouped(count_at(warming, "planned")) +
                     " lists of popular cells, " + grouped(count_at(warming, "computed")) + " computed in " +
                     grouped(count_at(warming, "rounds")) + " rounds";
  if (count_at(warming, "failed") > 0) text += ", " + grouped(count_at(warming, "failed")) + " failed";
  if (count_at(warming, "cut_short") > 0) {
    text += ", " + grouped(count_at(warming, "cut_short")) + " rounds cut short by warm_time";
  }
  return text + (flag_at(warming, "running") ? "; one is under way"
                                             : "; the last took " + grouped(count_at(warming, "last_ms")) + " ms");
}

void show_stats(const GlobalOptions& options) {
  if (options.json()) return print(call(options, {.target = "/v1/cache"}).body + "\n");
  const nlohmann::json cache = call_json(options, {.target = "/v1/cache"});
  if (count_at(cache, "limit") == 0) {
    return print("no answers are kept: every one is computed; [cache] memory in the configuration keeps some\n");
  }
  line("kept", grouped(count_at(cache, "entries")) + " answers, " + byte_text(count_at(cache, "bytes")) + " of " +
                   byte_text(count_at(cache, "limit")));
  line("hit ratio", number_text(number_at(cache, "hit_ratio")));
  line("hits",
       grouped(count_at(cache, "hits")) + ", and " + grouped(count_at(cache, "stale_hits")) + " marked as stale");
  line("misses", grouped(count_at(cache, "misses")) + ", " + grouped(count_at(cache, "outdated")) +
                     " as something had happened, " + grouped(count_at(cache, "waited")) +
                     " of all waited for another");
  line("not kept", grouped(count_at(cache, "passed")) + " requests about other moments, further pages, or with a draw");
  line("refreshed", grouped(count_at(cache, "refreshes")) + " in the background");
  line("evicted", grouped(count_at(cache, "evictions")) + " for want of room");
  if (cache.contains("warming") && count_at(cache["warming"], "rounds") > 0)
    line("warmed", warming_text(cache["warming"]));
  if (cache.contains("disk") && count_at(cache["disk"], "limit") > 0) show_disk(cache["disk"]);
  if (cache.contains("shared") && cache["shared"].value("in_use", false)) show_shared(cache["shared"]);
  if (count_at(cache, "heard_up_to") > 0) {
    line("told by SQL", grouped(count_at(cache, "heard")) + " invalidations, in force up to " +
                            std::to_string(count_at(cache, "heard_up_to")));
  }
}

struct Names {
  std::vector<std::string> users;
  std::vector<std::string> places;
  std::vector<std::string> categories;
  std::vector<std::string> cells;
  bool all = false;

  [[nodiscard]] bool empty() const {
    return users.empty() && places.empty() && categories.empty() && cells.empty() && !all;
  }
};

void invalidate(const GlobalOptions& options, const Names& names) {
  if (names.empty()) {
    throw CLI::ValidationError("cache invalidate",
                               "nothing is named; name users, places, categories or cells, or --all");
  }
  const nlohmann::json named = {{"users", names.users},
                                {"places", names.places},
                                {"categories", names.categories},
                                {"cells", names.cells},
                                {"all", names.all}};
  const std::string body = named.dump();
  const HttpRequest request{.method = "POST", .target = "/v1/cache/invalidate", .body = body};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json answer = call_json(options, request);
  const std::uint64_t named_count = count_at(answer, "invalidated");
  print(names.all ? "all kept answers are outdated\n"
                  : "kept answers about " + grouped(named_count) +
                        (named_count == 1 ? " name are outdated\n" : " names are outdated\n"));
}

nlohmann::json read_requests(const std::string& path) {
  LineSource lines = value_or_fail(LineSource::open(path));
  nlohmann::json requests = nlohmann::json::array();
  std::string_view line;
  while (value_or_fail(lines.next(&line))) {
    if (trimmed(line).empty()) continue;
    nlohmann::json one = nlohmann::json::parse(line, nullptr, false);
    if (!one.is_object()) fail(invalid_argument(path + ":" + std::to_string(lines.number()) + ": is no JSON object"));
    requests.push_back(std::move(one));
  }
  return requests;
}

void warm(const GlobalOptions& options, const std::string& path) {
  const nlohmann::json requests = read_requests(path);
  if (requests.empty()) fail(invalid_argument(path + ": has no requests"));
  std::uint64_t warmed = 0;
  std::uint64_t not_kept = 0;
  std::uint64_t failed = 0;
  std::string first_failure;
  Progress progress("requests answered", options.quiet);
  for (std::size_t begin = 0; begin < requests.size(); begin += kWarmAtOnce) {
    const std::size_t end = std::min(begin + kWarmAtOnce, requests.size());
    const nlohmann::json part = {
        {"requests", std::vector<nlohmann::json>(requests.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 requests.begin() + static_cast<std::ptrdiff_t>(end))},
        {"timeout_ms", 600'000}};
    const std::string body = part.dump();
    const nlohmann::json answer =
        call_json(options, {.method = "POST", .target = "/v1/cache/warm", .body = body, .timeout = kWarmTimeout});
    warmed += count_at(answer, "warmed");
    not_kept += count_at(answer, "not_kept");
    failed += count_at(answer, "failed");
    if (first_failure.empty()) first_failure = text_at(answer, "first_failure");
    progress.update(end);
  }
  progress.clear();
  if (options.json()) {
    print_as_json(nlohmann::json(
        {{"warmed", warmed}, {"not_kept", not_kept}, {"failed", failed}, {"first_failure", first_failure}}));
  } else {
    print(grouped(warmed) + " answers are warm" +
          (not_kept > 0 ? ", " + grouped(not_kept) + " were answered and are not kept" : "") +
          (failed > 0 ? ", " + grouped(failed) + " failed" : "") + "\n");
  }
  if (failed == 0) return;
  fail(failed_precondition("the first failure: " + first_failure));
}

void add_stats(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("stats", "How many answers are kept, and how often they were given again");
  command->footer(examples("  cairn cache stats\n  cairn -o json cache stats | jq .hit_ratio"));
  command->callback([&options] { show_stats(options); });
}

void add_invalidate(CLI::App& app, const GlobalOptions& options) {
  auto* command =
      app.add_subcommand("invalidate", "Give no answer again that is about a user, place, category or cell");
  auto names = std::make_shared<Names>();
  command->add_option("--user", names->users, "whose answers");
  command->add_option("--place", names->places, "that stands in answers");
  command->add_option("--category", names->categories,
                      "of places in answers, or asked for; by any name that it has had");
  command->add_option("--cell", names->cells, "geohash of 5 letters that answers were asked from");
  command->add_flag("--all", names->all, "all answers");
  command->footer(
      "Events, imports of places, and activations of models need not be told: they make answers outdated by "
      "themselves.\n\n" +
      examples("  cairn cache invalidate --place moma --place met\n  cairn cache invalidate --all"));
  command->callback([&options, names] { invalidate(options, *names); });
}

void add_warm(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("warm", "Compute answers before they are asked for");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "requests as POST /v1/recommendations takes them, one a line; - is standard input")
      ->required();
  command->footer(
      examples("  cairn cache warm requests.ndjson\n"
               "  echo '{\"user_id\":\"u1\",\"lat\":40.73,\"lon\":-74.0}' | cairn cache warm -"));
  command->callback([&options, path] { warm(options, *path); });
}

}  // namespace

void add_cache_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("cache", "Answers that a server keeps and gives again");
  command->require_subcommand(1);
  add_stats(*command, options);
  add_invalidate(*command, options);
  add_warm(*command, options);
}

}  // namespace cairn::cli
