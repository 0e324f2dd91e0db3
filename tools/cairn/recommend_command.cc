#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

struct RecommendArguments {
  std::string user;
  std::string at;
  std::string time;
  int limit = 10;
  std::optional<double> radius_meters;
  std::vector<std::string> categories;
  std::vector<std::string> exclude_categories;
  std::string where;
  std::string open_at;
  bool open_unknown = false;
  std::vector<std::string> only;
  bool attributes = false;
  bool exclude_seen = false;
  std::vector<std::string> exclude;
  std::vector<std::string> rank;
  std::vector<std::string> recent;
  std::string cursor;
  int max_per_category = 0;
  double diversity = 0.0;
  std::optional<std::uint32_t> segment;
  std::string explore;
  std::optional<double> explore_strength;
  std::optional<std::int64_t> seed;
  std::string min_offset;
  std::optional<std::int64_t> max_staleness_ms;
  std::string on_stale;
  bool against = false;
  std::string language;
};

/// "kafka:3:1042" as an object.
nlohmann::json read_min_offset(const std::string& text) {
  const std::size_t last = text.rfind(':');
  const std::size_t first = last == std::string::npos || last == 0 ? last : text.rfind(':', last - 1);
  const auto number = [&](std::size_t begin, std::size_t end) -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (error != std::errc() || stop != text.data() + end || value < 0) return std::nullopt;
    return value;
  };
  if (first != std::string::npos && first > 0 && last > first) {
    const auto partition = number(first + 1, last);
    const auto offset = number(last + 1, text.size());
    if (partition && offset) {
      return {{"source", text.substr(0, first)}, {"partition", *partition}, {"offset", *offset}};
    }
  }
  throw CLI::ValidationError("--min-offset",
                             "'" + text +
                                 "' is none; write SOURCE:PARTITION:OFFSET, such as api:0:42, as answers to "
                                 "ingested events name it");
}

/// "40.7128,-74.0060" as two numbers.
void add_position(nlohmann::json& body, const std::string& at) {
  char* end = nullptr;
  const double lat = std::strtod(at.c_str(), &end);
  const bool comma = end != at.c_str() && *end == ',';
  const char* second = comma ? end + 1 : end;
  const double lon = std::strtod(second, &end);
  if (!comma || end == second || *end != '\0') {
    throw CLI::ValidationError("--at",
                               "'" + at + "' is no position; write LAT,LON in degrees, such as 40.7128,-74.0060");
  }
  body["lat"] = lat;
  body["lon"] = lon;
}

std::string body_of(const RecommendArguments& arguments) {
  nlohmann::json body = {{"limit", arguments.limit}};
  if (!arguments.user.empty()) body["user_id"] = arguments.user;
  if (!arguments.at.empty()) add_position(body, arguments.at);
  if (!arguments.time.empty()) body["time"] = arguments.time;
  if (arguments.radius_meters) body["radius_meters"] = *arguments.radius_meters;
  if (!arguments.categories.empty()) body["categories"] = arguments.categories;
  if (!arguments.exclude_categories.empty()) body["exclude_categories"] = arguments.exclude_categories;
  if (!arguments.where.empty()) body["where"] = arguments.where;
  if (!arguments.open_at.empty()) body["open_at"] = arguments.open_at;
  if (arguments.open_unknown) body["open_unknown"] = true;
  if (!arguments.only.empty()) body["only"] = arguments.only;
  if (arguments.attributes) body["attributes"] = true;
  if (arguments.exclude_seen) body["exclude_seen"] = true;
  if (!arguments.exclude.empty()) body["exclude"] = arguments.exclude;
  if (!arguments.rank.empty()) body["rank"] = arguments.rank;
  if (!arguments.recent.empty()) body["recent"] = arguments.recent;
  if (!arguments.cursor.empty()) body["cursor"] = arguments.cursor;
  if (arguments.max_per_category > 0) body["max_per_category"] = arguments.max_per_category;
  if (arguments.diversity > 0.0) body["diversity"] = arguments.diversity;
  if (arguments.segment) body["segment"] = *arguments.segment;
  if (!arguments.explore.empty()) body["explore"] = arguments.explore;
  if (arguments.explore_strength) body["explore_strength"] = *arguments.explore_strength;
  if (arguments.seed) body["seed"] = *arguments.seed;
  if (!arguments.min_offset.empty()) body["min_offset"] = read_min_offset(arguments.min_offset);
  if (arguments.max_staleness_ms) body["max_staleness_ms"] = *arguments.max_staleness_ms;
  if (!arguments.on_stale.empty()) body["on_stale"] = arguments.on_stale;
  if (arguments.against) body["reasons"] = "all";
  if (!arguments.language.empty()) body["language"] = arguments.language;
  return body.dump();
}

/// The first few reasons, as phrases.
std::string reasons_of(const nlohmann::json& item, const char* which) {
  constexpr std::size_t kShown = 3;
  std::string joined;
  std::size_t shown = 0;
  for (const auto& reason : list_at(item, which)) {
    if (shown++ == kShown) break;
    joined += (joined.empty() ? "" : "; ") + text_at(reason, "text");
  }
  return joined;
}

/// `said`: a language was asked for, so that what is shown is a sentence in it.
void print_items(const nlohmann::json& answer, bool against, bool said) {
  std::vector<Table::Column> columns = {{"#", Align::kRight},     {"PLACE"}, {"CATEGORY"}, {"DISTANCE", Align::kRight},
                                        {"SCORE", Align::kRight}, {"WHY"}};
  if (against) columns.push_back({"AGAINST"});
  Table table(columns);
  std::size_t rank = 0;
  for (const auto& item : list_at(answer, "items")) {
    const std::string name = text_at(item, "name");
    std::vector<std::string> cells = {std::to_string(++rank),
                                      name.empty() ? text_at(item, "place_id") : name,
                                      text_at(item, "category"),
                                      distance_text(number_at(item, "distance_meters")),
                                      number_text(number_at(item, "score")),
                                      said ? text_at(item, "because") : reasons_of(item, "reasons")};
    if (against) cells.push_back(reasons_of(item, "against"));
    table.add(cells);
  }
  print(table.to_string(color_wanted()));
  rank = 0;
  for (const auto& item : list_at(answer, "items")) {
    ++rank;
    if (item.contains("attributes")) print(std::to_string(rank) + " " + item["attributes"].dump() + "\n");
  }
}

std::string model_remark(const nlohmann::json& answer) {
  const std::string version = text_at(answer, "model");
  const std::string explored = text_at(answer, "explored");
  const std::string segment =
      answer.contains("segment") && answer["segment"].is_number() ? std::to_string(count_at(answer, "segment")) : "";
  return (version.empty() ? "" : "model " + version + ", ") + (segment.empty() ? "" : "segment " + segment + ", ") +
         (explored.empty() ? "" : "explored by " + explored + ", ");
}

/// Where an answer comes from that was not computed for this question.
std::string cache_remark(const nlohmann::json& answer) {
  if (!answer.contains("cache") || !answer["cache"].is_object()) return "";
  const nlohmann::json& cache = answer["cache"];
  return "kept for " + grouped(count_at(cache, "age_ms")) + " ms in " + text_at(cache, "tier") +
         (flag_at(cache, "stale") ? " and stale, " : ", ");
}

/// ", reflects api:0:42, kafka:3:7".
std::string offsets_remark(const nlohmann::json& freshness) {
  std::string remark;
  for (const auto& mark : list_at(freshness, "watermarks")) {
    remark += (remark.empty() ? ", reflects " : ", ") + text_at(mark, "source") + ":" +
              std::to_string(count_at(mark, "partition")) + ":" + std::to_string(count_at(mark, "offset"));
  }
  return remark;
}

std::string known_remark(const nlohmann::json& answer) {
  const std::string known = text_at(answer, "known_by");
  if (known == "history") return "";
  if (known == "recent") return "known by the places of this visit, ";
  return known == "segment" ? "not known: as others like to go, " : "not known: what is popular here and now, ";
}

void print_remarks(const nlohmann::json& answer, bool asked_for_an_offset) {
  const nlohmann::json freshness = answer.value("freshness", nlohmann::json::object());
  const std::string newest = text_at(freshness, "newest_event");
  const std::string shortfall = text_at(answer, "shortfall");
  if (!shortfall.empty()) print("\n" + shortfall + "\n");
  const std::string next = text_at(answer, "next");
  if (!next.empty()) print("\nmore with --cursor " + next + "\n");
  if (flag_at(answer, "degraded")) {
    const std::string damaged =
        "what is stored of this user is damaged, and was not used; cairn doctor --deep names it";
    print("\n" + (asked_for_an_offset ? "the offset asked for is not reached yet, or " + damaged : damaged) + "\n");
  }
  const std::string visit = text_at(answer, "user_event");
  print("\n" + grouped(count_at(answer, "candidates")) + " candidates, " + known_remark(answer) + "user's row from " +
        text_at(freshness, "tier") + ", " + cache_remark(answer) + model_remark(answer) +
        (newest.empty() ? "no event seen yet" : "newest event " + newest) +
        (visit.empty() ? "" : ", the user's newest visit " + visit) + offsets_remark(freshness) + "\n");
}

void run_recommend(const GlobalOptions& options, const RecommendArguments& arguments) {
  const std::string body = body_of(arguments);
  const HttpRequest request{.method = "POST", .target = "/v1/recommendations", .body = body};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json answer = call_json(options, request);
  print_items(answer, arguments.against, !arguments.language.empty());
  if (!options.quiet) print_remarks(answer, !arguments.min_offset.empty());
}

}  // namespace

void add_recommend_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("recommend", "Which places, for this user, here, now");
  auto arguments = std::make_shared<RecommendArguments>();
  command->add_option(
      "-u,--user", arguments->user,
      "User's id; one nobody knows is answered by place and distance. Without one it is a visitor, known "
      "by --recent alone");
  command->add_option("--at", arguments->at, "Position as LAT,LON; default: the user's last known place");
  command->add_option("--time", arguments->time, "Instant in RFC 3339; default: now");
  command->add_option("-n,--limit", arguments->limit, "How many places")->check(from_one())->capture_default_str();
  command->add_option("--radius", arguments->radius_meters, "Only places within this many metres");
  command->add_option("-c,--category", arguments->categories, "Only this category; may be repeated")->take_all();
  command->add_option("--exclude-category", arguments->exclude_categories, "Leave out this category; may be repeated")
      ->take_all();
  command
      ->add_option(
          "--where", arguments->where,
          "Only places whose attributes are so: tests joined by and, or, not and parentheses, such as \"price <= "
          "20 and (cuisine in ('thai', 'lao') or vegan)\"; also NAME is present, NAME is absent")
      ->type_name("CONDITION");
  auto* open = command
                   ->add_option("--open-at", arguments->open_at,
                                "Only places that are open then, in RFC 3339; or: now, the moment asked for")
                   ->type_name("TIME");
  command->add_flag("--open-unknown", arguments->open_unknown, "And those whose opening hours are unknown")
      ->needs(open);
  command->add_option("--only", arguments->only, "Leave out all places but these; may be repeated")->take_all();
  command->add_flag("--attributes", arguments->attributes,
                    "With the attributes of places, in JSON and below the table");
  command->add_flag("--exclude-seen", arguments->exclude_seen, "Leave out places the user has been to");
  command->add_option("--exclude", arguments->exclude, "Leave out this place; may be repeated")->take_all();
  command->add_option("--rank", arguments->rank, "Order just these places, however far; may be repeated")->take_all();
  command
      ->add_option("--recent", arguments->recent,
                   "Place that was looked at in this session, the latest last; may be repeated. It tells the model "
                   "what the user likes, and where somebody without a position is")
      ->take_all();
  command->add_option("--cursor", arguments->cursor, "The next page: what the answer before named");
  command->add_option("--max-per-category", arguments->max_per_category, "Places of one category; 0: any number")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--diversity", arguments->diversity,
                   "How much to avoid places that are alike: 0, not at all, to 1, whatever they score")
      ->check(between(0.0, 1.0))
      ->capture_default_str();
  command->add_option(
      "--segment", arguments->segment,
      "Segment of the model's users by which who is unknown to it is answered; default: all of them, as "
      "their users go to places near the position");
  auto* explore = command
                      ->add_option("--explore", arguments->explore,
                                   "Try places of whose scores the model is not sure: ucb orders the best by what they "
                                   "may score at most, thompson draws what the user may like")
                      ->check(CLI::IsMember({"ucb", "thompson"}));
  command
      ->add_option("--explore-strength", arguments->explore_strength,
                   "How much, from 0, not at all, to 100; default: 1")
      ->check(between(0.0, 100.0))
      ->needs(explore);
  command->add_option("--seed", arguments->seed, "Of --explore thompson: a new one for each answer")
      ->check(from_zero())
      ->needs(explore);
  command->add_option("--min-offset", arguments->min_offset,
                      "SOURCE:PARTITION:OFFSET that the answer must reflect all before, such as api:0:42");
  command
      ->add_option("--max-staleness", arguments->max_staleness_ms,
                   "Milliseconds that a kept answer may be old; 0: it is computed")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option(
          "--on-stale", arguments->on_stale,
          "What to do while --min-offset is not reached: wait, degrade (answer all the same, and say so) or fail; "
          "default: wait")
      ->check(CLI::IsMember({"wait", "degrade", "fail"}));
  command->add_flag("--against", arguments->against, "Say too what speaks against each place");
  command->add_option("--language", arguments->language,
                      "Say why in a sentence of this language, such as de; [reasons.templates] has those there are");
  command->footer(
      examples("  cairn recommend --user u1 --at 40.7128,-74.0060\n"
               "  cairn recommend -u u1 --at 40.7128,-74.0060 --radius 800 -c cafe -c bakery\n"
               "  cairn recommend --at 40.7128,-74.0060 --recent p42\n"
               "  cairn recommend -u u1 --where 'price <= 20 and not smoking' --open-at now\n"
               "  cairn -o json recommend -u u1 --time 2024-05-01T08:30:00-04:00"));
  command->callback([&options, arguments] { run_recommend(options, *arguments); });
}

}  // namespace cairn::cli
