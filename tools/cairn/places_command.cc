#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cairn/ids.h"
#include "cairn/utf8.h"
#include "tools/cairn/api_client.h"
#include "tools/cairn/line_source.h"
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

/// Ends the program after a call that failed. `done`: what was done before it, and how to go on; may be empty.
[[noreturn]] void end_badly(const Status& status, Progress* progress, const std::string& done) {
  progress->clear();
  std::fprintf(stderr, "cairn: %s\n", status.to_string().c_str());
  if (!done.empty()) std::fprintf(stderr, "cairn: %s\n", done.c_str());
  exit_with(status.code() == StatusCode::kUnavailable ? kExitUnreachable : exit_code_of(status.code()));
}

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
    end_badly(status, &progress_,
              grouped(imported_) +
                  " places were imported before that; run the same import again, a place imported twice is one");
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

struct DeleteArguments {
  std::vector<std::string> ids;
  std::string from;
  bool erase_history = false;
};

/// What is no id of a place, where `where` says it stands.
void check_id(std::string_view id, const std::string& where) {
  if (!is_utf8(id)) fail(invalid_argument(where + ": an id is UTF-8; convert the file with iconv"));
  if (!valid_id(id)) fail(invalid_argument(where + ": a place id has 1 to 128 bytes and no NUL"));
}

/// One id a line. Blanks are part of it.
std::vector<std::string> read_ids(const std::string& path) {
  LineSource lines = value_or_fail(LineSource::open(path));
  std::vector<std::string> ids;
  std::string_view line;
  while (value_or_fail(lines.next(&line))) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    check_id(line, path + ":" + std::to_string(lines.number()));
    ids.emplace_back(line);
  }
  return ids;
}

/// In the order of their first.
std::vector<std::string> each_once(std::vector<std::string> ids) {
  std::unordered_set<std::string> seen;
  std::erase_if(ids, [&](const std::string& id) { return !seen.insert(id).second; });
  return ids;
}

/// Deletes places, many at a time: the server makes its index anew once for all of them.
class Deletion {
 public:
  Deletion(const GlobalOptions& options, bool erase_history)
      : options_(options), history_(erase_history ? "erase" : "keep"), progress_("places deleted", options.quiet) {}

  void run(const std::vector<std::string>& ids) {
    constexpr std::size_t kAtOnce = 1'000;
    for (std::size_t begin = 0; begin < ids.size(); begin += kAtOnce) {
      const auto from = ids.begin() + static_cast<std::ptrdiff_t>(begin);
      remove({from, from + static_cast<std::ptrdiff_t>(std::min(kAtOnce, ids.size() - begin))});
    }
    progress_.clear();
    report();
  }

 private:
  void remove(const std::vector<std::string>& ids) {
    const std::string body = nlohmann::json{{"place_ids", ids}, {"history", history_}}.dump();
    const auto reply = try_call(options_, {.method = "POST", .target = "/v1/places/delete", .body = body});
    if (!reply.ok()) give_up(reply.status());
    if (reply->code >= 400) give_up(error_of(*reply));
    const nlohmann::json answer = nlohmann::json::parse(reply->body, nullptr, false);
    deleted_ += count_at(answer, "deleted");
    for (const auto& id : list_at(answer, "unknown")) unknown_.push_back(id);
    progress_.update(deleted_);
  }

  void report() const {
    if (options_.json()) {
      const std::string history = history_ == "erase" ? "erased" : "kept";
      print_as_json(nlohmann::json{{"deleted", deleted_}, {"unknown", unknown_}, {"history", history}});
    } else if (!options_.quiet) {
      print(grouped(deleted_) + (deleted_ == 1 ? " place deleted\n" : " places deleted\n"));
    }
    if (unknown_.empty()) return;
    constexpr std::size_t kNamedMax = 10;
    std::string names;
    for (std::size_t i = 0; i < std::min(unknown_.size(), kNamedMax); ++i) {
      names += (i == 0 ? "'" : ", '") + unknown_[i].get<std::string>() + "'";
    }
    const std::string more =
        unknown_.size() > kNamedMax ? " and " + grouped(unknown_.size() - kNamedMax) + " more (-o json lists all)" : "";
    std::fprintf(stderr, "cairn: no place has the id %s%s\n", names.c_str(), more.c_str());
    exit_with(kExitNotFound);
  }

  [[noreturn]] void give_up(const Status& status) {
    end_badly(status, &progress_,
              deleted_ == 0
                  ? std::string()
                  : grouped(deleted_) + " places were deleted before that; the same again tells those as unknown");
  }

  const GlobalOptions& options_;
  const std::string history_;
  Progress progress_;
  std::uint64_t deleted_ = 0;
  nlohmann::json unknown_ = nlohmann::json::array();
};

void run_delete(const GlobalOptions& options, const DeleteArguments& arguments) {
  if (arguments.ids.empty() && arguments.from.empty()) {
    throw CLI::ValidationError("places delete", "name places: their ids, or --from a file with one a line");
  }
  for (const std::string& id : arguments.ids) check_id(id, "'" + id.substr(0, 32) + "'");
  std::vector<std::string> ids = arguments.ids;
  if (!arguments.from.empty()) {
    for (std::string& id : read_ids(arguments.from)) ids.push_back(std::move(id));
  }
  if (ids.empty()) fail(invalid_argument(arguments.from + ": has no ids"));
  Deletion(options, arguments.erase_history).run(each_once(std::move(ids)));
}

}  // namespace

void add_places_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("places", "The catalogue of places");
  command->require_subcommand(1);

  auto* importing = command->add_subcommand("import", "Add or replace the places of a file");
  auto arguments = std::make_shared<ImportArguments>();
  importing
      ->add_option(
          "FILE", arguments->file,
          "NDJSON, a JSON array, GeoJSON points, or CSV (also with ; or tabs) under a heading of place_id, lat, "
          "lon and optionally name, category, attributes; plain or gzip; - for standard input")
      ->required();
  add_mapping_options(importing, &arguments->mapping, false);
  importing->add_flag("--dry-run", arguments->dry_run, "Read and judge the whole file, and send nothing");
  importing->footer(
      "Of lines with one and the same place_id the last one counts, and the end says how many replaced an earlier "
      "one.\n\n" +
      examples(
          "  cairn places import places.csv\n"
          "  cairn places import --map id=place_id,title=name,latitude=lat,longitude=lon --ignore-extra shops.csv\n"
          "  cairn places import --extra-as-attributes restaurants.geojson\n"
          "  cairn places import --dry-run --encoding latin1 cafes.geojson\n"
          "  zcat places.ndjson.gz | cairn places import -"));
  importing->callback([&options, arguments] { Import(options, *arguments).run(); });

  auto* get = command->add_subcommand("get", "One place");
  auto id = std::make_shared<std::string>();
  get->add_option("ID", *id, "The place's id")->required();
  get->footer(examples("  cairn places get p42"));
  get->callback([&options, id] { run_get(options, *id); });

  auto* remove = command->add_subcommand("delete", "Delete places; an import of the same id brings one back");
  auto deletion = std::make_shared<DeleteArguments>();
  remove->add_option("ID", deletion->ids, "The places' ids; one that no place has is told of at the end");
  remove->add_option("--from", deletion->from,
                     "A file with one id a line, blanks and all, plain or gzip; - for standard input, not packed");
  remove->add_flag("--erase-history", deletion->erase_history,
                   "Erase what was counted for them as well: their features, their hourly aggregates");
  remove->footer("Many take about as long as one: the server makes its index of places anew once for a thousand.\n\n" +
                 examples("  cairn places delete p42\n"
                          "  cairn places delete --erase-history p42 p43\n"
                          "  cairn places delete --from closed.txt"));
  remove->callback([&options, deletion] { run_delete(options, *deletion); });
}

}  // namespace cairn::cli
