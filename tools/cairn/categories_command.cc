#include <memory>
#include <string>
#include <vector>

#include "tools/cairn/api_client.h"
#include "tools/cairn/output.h"

namespace cairn::cli {
namespace {

void list(const GlobalOptions& options) {
  if (options.json()) return print(call(options, {.target = "/v1/categories"}).body + "\n");
  const nlohmann::json answer = call_json(options, {.target = "/v1/categories"});
  Table table({{"CATEGORY"}, {"PLACES", Align::kRight}, {"OLD NAMES"}});
  for (const nlohmann::json& category : list_at(answer, "categories")) {
    std::string old_names;
    for (const nlohmann::json& old : list_at(category, "old_names")) {
      old_names += (old_names.empty() ? "" : ", ") + old.get<std::string>();
    }
    table.add({text_at(category, "name"), grouped(count_at(category, "places")), old_names});
  }
  print(table.to_string(color_wanted()));
}

struct Names {
  std::string from;
  std::string to;
};

void change(const GlobalOptions& options, const char* target, const Names& names) {
  const std::string body = nlohmann::json({{"from", names.from}, {"to", names.to}}).dump();
  const HttpRequest request{.method = "POST", .target = target, .body = body};
  if (options.json()) return print(call(options, request).body + "\n");
  const nlohmann::json answer = call_json(options, request);
  if (options.quiet) return;
  print("'" + names.from + "' is '" + names.to + "' from now on, with " + grouped(count_at(answer, "places")) +
        " places and all that was counted for them; imports that say '" + names.from + "' mean it too\n");
}

void add_list(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("list", "All categories, how many places have them, and their old names");
  command->footer(examples("  cairn categories list\n  cairn -o json categories list"));
  command->callback([&options] { list(options); });
}

void add_rename(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("rename", "Give a category another name and keep all that was counted for it");
  auto names = std::make_shared<Names>();
  command->add_option("FROM", names->from, "what it is called")->required();
  command->add_option("TO", names->to, "a name that no category has")->required();
  command->footer(
      "What users like, when places of the category are visited, and its places go on under the new name, in answers "
      "at "
      "once and in PostgreSQL soon after (cairn wait waits for it). Files that still have the old name may be "
      "imported: "
      "it means the category, as it does in questions. A name that it had before can be given to it again.\n\n" +
      examples("  cairn categories rename 'Ice Cream Parlor' 'Gelateria'"));
  command->callback([&options, names] { change(options, "/v1/categories/rename", *names); });
}

void add_merge(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("merge", "Make a category one with another, with all that was counted for both");
  auto names = std::make_shared<Names>();
  command->add_option("FROM", names->from, "the category whose name becomes an old one")->required();
  command->add_option("INTO", names->to, "the category that both are from then on")->required();
  command->footer(
      "Everything is as if both had had one name from the start. They cannot be taken apart again; a checkpoint "
      "(cairn checkpoint) of before has them apart.\n\n" +
      examples("  cairn categories merge 'Frozen Yogurt' 'Gelateria'"));
  command->callback([&options, names] { change(options, "/v1/categories/merge", *names); });
}

}  // namespace

void add_categories_command(CLI::App& app, const GlobalOptions& options) {
  auto* command = app.add_subcommand("categories", "What categories of places are called");
  command->require_subcommand(1);
  command->footer(examples("  cairn categories list"));
  add_list(*command, options);
  add_rename(*command, options);
  add_merge(*command, options);
}

}  // namespace cairn::cli
