#include <string>
#include <vector>

#include "cairn/interaction.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

/// By the code that will use the names, so that the check cannot accept what a start would refuse.
std::string types_complaint(const Value& value) {
  const auto types = InteractionTypes::with_declared(std::get<std::vector<std::string>>(value));
  return types.ok() ? "" : types.status().message();
}

}  // namespace

Section types_section() {
  return {"types",
          "Interaction types beyond the built-in view, click, visit, rate, save, dismiss.",
          {
              make_key<Config>(CAIRN_AT(engine.decode.declared_types),
                               {.name = "declared",
                                .type = KeyType::kTextList,
                                .doc = "Names of 1 to 32 bytes. Append only: their order is stored in the state.",
                                .example = "[\"book\", \"share\"]",
                                .complaint = types_complaint}),
          }};
}

OpenTable types_counts_as_table() {
  return {"types",
          kCountsAsTable,
          "What declared types count as in the built-in views: so many events of a built-in type, with their time and "
          "value, 1 to 100, and 1 without a weight. A declared type that is not named here counts in no built-in view. "
          "A change is for events that are applied from then on: what was counted before stays as it was.",
          {"# purchase = { as = \"visit\", weight = 5 }", "# wish = \"save\""}};
}

}  // namespace cairn::config
