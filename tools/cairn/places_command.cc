#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/cairn/output.h"
#include "tools/cairn/place_source.h"
#include "tools/cairn/upload.h"

namespace cairn::cli {
namespace {

struct ImportArguments {
  std::string file;
  MappingArguments mapping;
  bool dry_run = false;
};

/// Which lines of a file say anew what an earlier one says. Of each id a hash and the line are kept: of ten million ids
/// two have the same hash once in 400,000 files.
class Repeats {
 public:
  void add(const std::string& id, std::uint64_t line) { seen_.emplace_back(std::hash<std::string>()(id), line); }

  struct Found {
    std::uint64_t lines = 0;
    std::uint64_t first = 0;  ///< of those lines
  };
  [[nodiscard]] Found find() {
    std::sort(seen_.begin(), seen_.end());
    Found found;
    for (std::size_t i = 1; i < seen_.size(); ++i) {
      if (seen_[i].first != seen_[i - 1].first) continue;
      found.first = found.lines == 0 ? seen_[i].second : std::min(found.first, seen_[i].second);
      ++found.lines;
    }
    return found;
  }

 private:
  std::vector<std::pair<std::size_t, std::uint64_t>> seen_;
};

class Import {
 public:
  Import(const GlobalOptions& options, const ImportArguments& arguments)
      : options_(options),
        arguments_(arguments),
        progress_(arguments.dry_run ? "places read" : "places imported", options.quiet) {}

  void run() {
    auto source = PlaceSource::open(arguments_.file, arguments_.mapping);
    if (!source.ok()) fail(Status(source.status()));
    arguments_.dry_run ? read_all(*std::move(source)) : send_all(*std::move(source));
    progress_.clear();
    const Repeats::Found repeats = repeats_.find();
    const std::uint64_t places = imported_ - repeats.lines;
    if (options_.json()) {
      const char* key = arguments_.dry_run ? "would_import" : "imported";
      nlohmann::json answer = {{key, places}};
      if (repeats.lines > 0) answer["replaced"] = repeats.lines;
      if (!renamed_.empty()) answer["renamed_categories"] = renamed_;
      return print_as_json(answer);
    }
    if (options_.quiet) return;
    print(grouped(places) + (places == 1 ? " place" : " places") +
          (arguments_.dry_run ? " would be imported; nothing was sent\n" : " imported\n"));
    if (repeats.lines > 0) {
      print(grouped(repeats.lines) + (repeats.lines == 1 ? " line replaces" : " lines replace") +
            " an earlier one with the same place_id; the first is line " + grouped(repeats.first) + "\n");
    }
    for (const auto& [old, now] : renamed_.items()) {
      print("category '" + old + "' is called '" + now.get<std::string>() +
            "' now, and its places were imported under that name (cairn categories list)\n");
    }
  }

 private:
  /// Judges every place as the server would, and sends none.
  void read_all(PlaceSource source) {
    for (std::string place;;) {
      const Result<bool> more = source.next(&place);
      if (!more.ok()) fail(more.status());
      if (!*more) return;
      if (const auto judged = place_of(place); !judged.ok()) {
        fail(Status(judged.status()).with_context("line " + std::to_string(source.first_line())));
      }
      repeats_.add(place_id_of(place), source.first_line());
      if (imported_++ == 0 && !options_.quiet && !options_.json()) print("the first one: " + place + "\n");
      progress_.update(imported_);
    }
  }

  void send_all(PlaceSource source) {
    Chunk chunk;
    std::string place;
    for (;;) {
      const Result<bool> more = source.next(&place);
      if (!more.ok()) give_up(more.status());
      if (!*more) break;
      if (!chunk.fits(place.size())) {
        send(chunk);
        chunk = Chunk();
      }
      chunk.add(place, source.first_line());
    }
    if (!chunk.empty()) send(chunk);
  }

  void send(const Chunk& chunk) {
    const Result<HttpReply> reply = post_chunk(options_, "/v1/places", chunk);
    if (!reply.ok()) give_up(reply.status());
    if (reply->code == 413 && chunk.size() > 1) {
      const auto [first, second] = chunk.halves();
      send(first);
      return send(second);
    }
    if (reply->code >= 400) give_up(with_line(error_of(*reply), chunk));
    imported_ += chunk.size();
    for (std::size_t i = 0; i < chunk.size(); ++i) repeats_.add(place_id_of(chunk.record(i)), chunk.line(i));
    const nlohmann::json answer = nlohmann::json::parse(reply->body, nullptr, false);
    if (answer.is_object() && answer.contains("renamed_categories")) renamed_.update(answer["renamed_categories"]);
    progress_.update(imported_);
  }

  /// The server counts places from the chunk's beginning ("place 3: ...", "place 3 ('p7'): ..."); people count lines.
  static Status with_line(Status error, const Chunk& chunk) {
    unsigned long long index = 0;
    int consumed = 0;
    const bool named = std::sscanf(error.message().c_str(), "place %llu%n", &index, &consumed) == 1;
    if (named && index < chunk.size()) {
      return {error.code(),
              "line " + std::to_string(chunk.line(index)) + error.message().substr(static_cast<std::size_t>(consumed))};
    }
    return std::move(error).with_context("lines " + std::to_string(chunk.first_line()) + " to " +
                                         std::to_string(chunk.last_line()));
  }

  [[noreturn]] void give_up(const Status& status) {
    progress_.clear();
    std::fprintf(stderr, "cairn: %s\n", status.to_string().c_str());
    std::fprintf(
        stderr,
        "cairn: %s places were imported before that; run the same import again, a place imported twice is one\n",
        grouped(imported_).c_str());
    exit_with(status.code() == StatusCode::kUnavailable ? kExitUnreachable : exit_code_of(status.code()));
  }

  const GlobalOptions& options_;
  const ImportArguments& arguments_;
  Progress progress_;
  std::uint64_t imported_ = 0;  ///< lines
  Repeats repeats_;
  nlohmann::json renamed_ = nlohmann::json::object();  ///< old names of categories that came, and what they are now
};

void run_get(const GlobalOptions& options, const std::string& id) {
  const std::string target = "/v1/places/" + percent_encode(id);
  const HttpRequest request{.target = target};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json place = call_json(options, request);
  Table table({{"PLACE"}, {"NAME"}, {"LAT", Align::kRight}, {"LON", Align::kRight}, {"CATEGORY"}});
  table.add({text_at(place, "place_id"), text_at(place, "name"), std::to_string(number_at(place, "lat")),
             std::to_string(number_at(place, "lon")), text_at(place, "category")});
  print(table.to_string(color_wanted()));
  if (place.contains("attributes") && !place["attributes"].empty()) print("\n" + place["attributes"].dump(2) + "\n");
}

void run_delete(const GlobalOptions& options, const std::vector<std::string>& ids, bool erase_history) {
  nlohmann::json answers = nlohmann::json::array();
  for (const std::string& id : ids) {
    const std::string target = "/v1/places/" + percent_encode(id) + (erase_history ? "?history=erase" : "");
    answers.push_back(call_json(options, {.method = "DELETE", .target = target}));
  }
  if (options.json()) return print_as_json(answers);
  if (!options.quiet) print(grouped(ids.size()) + (ids.size() == 1 ? " place deleted\n" : " places deleted\n"));
}

}  // namespace

void add_places_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("places", "The catalogue of places");
  command->require_subcommand(1);

  auto* import = command->add_subcommand("import", "Add or replace the places of a file");
  auto arguments = std::make_shared<ImportArguments>();
  import
      ->add_option(
          "FILE", arguments->file,
          "NDJSON, a JSON array, GeoJSON points, or CSV (also with ; or tabs) under a heading of place_id, lat, "
          "lon and optionally name, category, attributes; plain or gzip; - for standard input")
      ->required();
  add_mapping_options(import, &arguments->mapping, false);
  import->add_flag("--dry-run", arguments->dry_run, "Read and judge the whole file, and send nothing");
  import->footer(
      "Of lines with one and the same place_id the last one counts, and the end says how many replaced an earlier "
      "one.\n\n" +
      examples(
          "  cairn places import places.csv\n"
          "  cairn places import --map id=place_id,title=name,latitude=lat,longitude=lon --ignore-extra shops.csv\n"
          "  cairn places import --extra-as-attributes restaurants.geojson\n"
          "  cairn places import --dry-run --encoding latin1 cafes.geojson\n"
          "  zcat places.ndjson.gz | cairn places import -"));
  import->callback([&options, arguments] { Import(options, *arguments).run();
});

auto* get = command->add_subcommand("get", "One place");
auto id = std::make_shared<std::string>();
get->add_option("ID", *id, "The place's id")->required();
get->footer(examples("  cairn places get p42"));
get->callback([&options, id] { run_get(options, *id); });

auto* remove = command->add_subcommand("delete", "Delete places; an import of the same id brings one back");
auto ids = std::make_shared<std::vector<std::string>>();
auto erase_history = std::make_shared<bool>(false);
remove->add_option("ID", *ids, "The places' ids; ends at the first that no place has")->required();
remove->add_flag("--erase-history", *erase_history,
                 "Erase what was counted for them as well: their features, their hourly aggregates");
remove->footer(
    examples("  cairn places delete p42\n"
             "  cairn places delete --erase-history p42 p43"));
remove->callback([&options, ids, erase_history] { run_delete(options, *ids, *erase_history); });
}  // namespace cairn::cli

}  // namespace cairn::cli
