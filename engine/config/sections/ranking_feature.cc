#include <string>
#include <utility>
#include <vector>

#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

std::string name_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 63, "a", "a0_")) return {};
  return quoted(name) + " must have 1 to 63 characters, lower-case letters, digits and '_', the first one a letter";
}

}  // namespace

RecordTable<RankingFeatureSpec> make_ranking_feature_table() {
  using Spec = RankingFeatureSpec;
  return {
      "ranking_feature",
      "A value of a feature view that adds to the score of a place, beside the built-in ranking features. The view is "
      "one of places or cells, alone or by type, or one of users by place, category or cell. Answers have it to the "
      "last event. Rankers that are trained know nothing of it: it is added to what they say.",
      {
          make_key<Spec>(CAIRN_AT(name), {.name = "name",
                                          .type = KeyType::kText,
                                          .doc = "Name of the feature, of no other one; reasons are told by it.",
                                          .example = "\"busy\"",
                                          .required = true,
                                          .complaint = name_complaint}),
          make_key<Spec>(CAIRN_AT(view), {.name = "view",
                                          .type = KeyType::kText,
                                          .doc = "The feature view that is read, a built-in one or a [[feature_view]].",
                                          .example = "\"place_visits\"",
                                          .required = true}),
          make_key<Spec>(CAIRN_AT(key), {.name = "key",
                                         .type = KeyType::kText,
                                         .doc = "Of a view by type, the type that is read.",
                                         .example = "\"purchase\"",
                                         .in_example = false}),
          make_choice<Spec>(
              CAIRN_AT(transform),
              std::vector<std::pair<std::string, ValueTransform>>{{"none", ValueTransform::kNone},
                                                                  {"log1p", ValueTransform::kLog1p},
                                                                  {"sqrt", ValueTransform::kSqrt},
                                                                  {"any", ValueTransform::kAny}},
              {.name = "transform",
               .doc = "What is made of the value x before it is weighed: x, ln(1 + x), the square root "
                      "of x, or 1 where there is any. Where x is below 0, ln and root are those of -x, negative.",
               .example = "\"log1p\""}),
          make_key<Spec>(CAIRN_AT(weight), {.name = "weight",
                                            .type = KeyType::kNumber,
                                            .doc = "What it is multiplied by.",
                                            .min = -1'000'000,
                                            .max = 1'000'000,
                                            .example = "0.5",
                                            .required = true}),
          make_key<Spec>(CAIRN_AT(reason), {.name = "reason",
                                            .type = KeyType::kText,
                                            .doc = "What a reason says; {value} is the view's value. Empty: name and "
                                                   "value.",
                                            .example = "\"visited {value} times by everyone\""}),
      },
      {}};
}

}  // namespace cairn::config
