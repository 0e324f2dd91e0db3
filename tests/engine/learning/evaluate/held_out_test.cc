#include "engine/learning/evaluate/held_out.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::learning;
using cairn::test::TemporaryFolder;

namespace {

double discount(int rank) { return 1.0 / std::log2(rank + 1.0); }

Interactions pairs(const std::vector<std::pair<const char*, const char*>>& all) {
  InteractionsBuilder builder;
  for (const auto& [user, item] : all) builder.add(user, item);
  return std::move(builder).finish();
}

/// Ranks 0, 1, 2, ... 119 for everybody.
model::Model by_number() {
  model::Model model{.kind = "x", .components = {{.name = "popular", .kind = model::ComponentKind::kPopularity}}};
  for (int i = 0; i < 120; ++i) {
    model.items.push_back(std::to_string(i));
    model.popularity.push_back(static_cast<float>(200 - i));
  }
  return model;
}

HeldOutReport evaluated(const model::Model& model, const Interactions& train, const Interactions& test) {
  const auto report = measure_held_out(model, train, test, {});
  REQUIRE_MESSAGE(report.ok(), report.status().to_string());
  return *report;
}

}  // namespace

TEST_CASE("three users are measured as on paper") {
  // The model ranks by number. a has seen 0: its 1 stands first, its 21 at rank 21, and 500 is no item of the model.
  // b has seen nothing: 2 stands third, 60 at 61. c has seen 0 to 3, and its test's 3 is masked: only 4 can be found.
  const Interactions train = pairs({{"a", "0"}, {"c", "0"}, {"c", "1"}, {"c", "2"}, {"c", "3"}, {"d", "5"}});
  const Interactions test =
      pairs({{"a", "1"}, {"a", "21"}, {"a", "500"}, {"b", "2"}, {"b", "60"}, {"c", "3"}, {"c", "4"}});
  const HeldOutReport report = evaluated(by_number(), train, test);
  CHECK(report.users == 3);
  CHECK(report.cold_users == 1);
  CHECK(report.test_pairs == 7);
  CHECK(report.unknown_pairs == 1);
  const double ideal3 = discount(1) + discount(2) + discount(3);
  const double ideal2 = discount(1) + discount(2);
  CHECK(report.metrics.recall_at_20 == doctest::Approx((1.0 / 3 + 1.0 / 2 + 1.0 / 2) / 3));
  CHECK(report.metrics.recall_at_50 == doctest::Approx((2.0 / 3 + 1.0 / 2 + 1.0 / 2) / 3));
  CHECK(report.metrics.ndcg_at_20 ==
        doctest::Approx((discount(1) / ideal3 + discount(3) / ideal2 + discount(1) / ideal2) / 3));
  CHECK(report.metrics.ndcg_at_100 == doctest::Approx(((discount(1) + discount(21)) / ideal3 +
                                                       (discount(3) + discount(61)) / ideal2 + discount(1) / ideal2) /
                                                      3));
}

TEST_CASE("the ideal list is no longer than K") {
  std::vector<std::uint32_t> all(150);
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  const HeldOutMetrics metrics = held_out_metrics(std::span(all).first(100), all, all.size());
  CHECK(metrics.ndcg_at_20 == doctest::Approx(1.0));
  CHECK(metrics.ndcg_at_100 == doctest::Approx(1.0));
  CHECK(metrics.recall_at_20 == doctest::Approx(20.0 / 150));
  CHECK(metrics.recall_at_50 == doctest::Approx(50.0 / 150));
}

TEST_CASE("a short list is measured for what it holds") {
  const std::vector<std::uint32_t> ranked = {7, 3};
  const std::vector<std::uint32_t> relevant = {3, 9};
  const HeldOutMetrics metrics = held_out_metrics(ranked, relevant, 2);
  CHECK(metrics.recall_at_20 == doctest::Approx(0.5));
  CHECK(metrics.ndcg_at_20 == doctest::Approx(discount(2) / (discount(1) + discount(2))));
}

TEST_CASE("users of the test without items do not count, and a test of nobody is refused") {
  const TemporaryFolder scratch;
  const std::vector<std::string> file = {scratch.write("test", "1\n2 5\n")};
  const auto test = read_lightgcn(file);
  REQUIRE(test.ok());
  CHECK(evaluated(by_number(), pairs({{"1", "5"}}), *test).users == 1);
  CHECK(measure_held_out(by_number(), pairs({{"1", "5"}}), pairs({}), {}).status().code() ==
        StatusCode::kInvalidArgument);
}
