#include "engine/learning/train.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/learning/checkpoint.h"
#include "engine/learning/distilled.h"
#include "engine/learning/evaluate/held_out.h"
#include "tests/support/real_data.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::learning;
using cairn::test::TemporaryFolder;

namespace {

/// Users of one of four tastes, each with items of their own that are all equally liked, and now and then something
/// else. What everybody likes says little about anybody.
struct Split {
  Interactions train;
  Interactions test;
};

Split planted_clusters(std::uint64_t seed) {
  constexpr std::size_t kTastes = 4;
  constexpr std::size_t kItemsPerTaste = 30;
  std::mt19937_64 random(seed);
  InteractionsBuilder train;
  InteractionsBuilder test;
  for (std::size_t user = 0; user < 200; ++user) {
    std::vector<std::size_t> liked(kItemsPerTaste);
    for (std::size_t i = 0; i < liked.size(); ++i) liked[i] = user % kTastes * kItemsPerTaste + i;
    std::shuffle(liked.begin(), liked.end(), random);
    const std::string name = std::to_string(user);
    for (std::size_t i = 0; i < 10; ++i) train.add(name, std::to_string(liked[i]));
    for (std::size_t i = 10; i < 14; ++i) test.add(name, std::to_string(liked[i]));
    train.add(name, std::to_string(random() % (kTastes * kItemsPerTaste)));
  }
  return {std::move(train).finish(), std::move(test).finish()};
}

model::Model trained(std::string_view kind, const Interactions& interactions, const TrainOptions& options = {}) {
  auto model = train(kind, interactions, options);
  REQUIRE_MESSAGE(model.ok(), model.status().to_string());
  return *std::move(model);
}

HeldOutReport measured(const model::Model& model, const Split& split) {
  const auto report = measure_held_out(model, split.train, split.test, {});
  REQUIRE_MESSAGE(report.ok(), report.status().to_string());
  return *report;
}

std::map<std::string, std::string> small(std::string_view kind) {
  if (kind == "ials") return {{"dim", "8"}, {"epochs", "6"}, {"unobserved_weight", "0.1"}};
  if (kind == "graph") return {{"dim", "4"}};
  return {};
}

model::Model saved_and_loaded(const model::Model& model) {
  const TemporaryFolder scratch;
  const Status saved = model::save_model(model, scratch / "m");
  REQUIRE_MESSAGE(saved.ok(), saved.to_string());
  auto loaded = model::load_model(scratch / "m");
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  return *std::move(loaded);
}

}  // namespace

TEST_CASE("every kind finds what popularity cannot, also after it was saved and loaded") {
  const std::uint64_t seed = 11;
  INFO("seed ", seed);
  const Split split = planted_clusters(seed);
  const double popular = measured(trained("popularity", split.train), split).metrics.recall_at_20;
  CHECK(popular < 0.45);  // each taste has a quarter of the 20 best
  for (const TrainingKind& kind : training_kinds()) {
    if (kind.name == "popularity") continue;
    INFO(kind.name);
    const model::Model model = trained(kind.name, split.train, {.parameters = small(kind.name)});
    CHECK(model.kind == kind.name);
    CHECK(model.interactions == split.train.columns.size());
    const HeldOutReport fresh = measured(model, split);
    CHECK(fresh.users == 200);
    CHECK(fresh.metrics.recall_at_20 > 0.9);
    const HeldOutReport loaded = measured(saved_and_loaded(model), split);
    CHECK(loaded.metrics.recall_at_20 == fresh.metrics.recall_at_20);
    CHECK(loaded.metrics.ndcg_at_100 == fresh.metrics.ndcg_at_100);
  }
}

TEST_CASE("the same training gives the same model, whatever the number of threads") {
  const Split split = planted_clusters(12);
  for (const TrainingKind& kind : training_kinds()) {
    INFO(kind.name);
    const model::Model one = trained(kind.name, split.train, {.parameters = small(kind.name), .seed = 5, .threads = 1});
    const model::Model two = trained(kind.name, split.train, {.parameters = small(kind.name), .seed = 5, .threads = 2});
    REQUIRE(one.components.size() == two.components.size());
    for (std::size_t i = 0; i < one.components.size(); ++i) {
      CHECK(one.components[i].item_vectors == two.components[i].item_vectors);
      CHECK(std::ranges::equal(one.components[i].weights.values(), two.components[i].weights.values()));
    }
  }
}

TEST_CASE("one user with one item can be trained on with every kind") {
  InteractionsBuilder builder;
  builder.add("u", "only");
  const Interactions tiny = std::move(builder).finish();
  for (const TrainingKind& kind : training_kinds()) {
    INFO(kind.name);
    const model::Model model = trained(kind.name, tiny);
    CHECK(model.items == std::vector<std::string>{"only"});
    CHECK(saved_and_loaded(model).items == model.items);
  }
}

TEST_CASE("coarser precisions take less room and rank almost as well") {
  const Split split = planted_clusters(13);
  std::uint64_t bytes_before = UINT64_MAX;
  for (const gpu::Precision precision :
       {gpu::Precision::kFp32, gpu::Precision::kFp16, gpu::Precision::kInt8, gpu::Precision::kInt4}) {
    INFO(gpu::to_string(precision));
    const model::Model model = trained("ials", split.train, {.parameters = small("ials"), .precision = precision});
    const TemporaryFolder scratch;
    REQUIRE(model::save_model(model, scratch / "m").ok());
    const auto loaded = model::load_model(scratch / "m");
    REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
    CHECK(loaded->components[0].precision == precision);
    CHECK(measured(*loaded, split).metrics.recall_at_20 > 0.9);
    const auto files = model::model_files(scratch / "m");
    REQUIRE(files.ok());
    std::uint64_t bytes = 0;
    for (const model::ModelFile& file : *files) bytes += file.bytes;
    CHECK(bytes < bytes_before);
    bytes_before = bytes;
  }
}

TEST_CASE("a student of fewer dimensions ranks like its teacher, by advice or by projection") {
  const Split split = planted_clusters(14);
  const model::Model teacher = trained("ials", split.train, {.parameters = small("ials")});
  for (const char* project : {"false", "true"}) {
    INFO("project = ", project);
    const model::Model student =
        trained("ials", split.train, {.parameters = {{"dim", "4"}, {"project", project}}, .teacher = &teacher});
    CHECK(student.components[0].dim == 4);
    CHECK(measured(student, split).metrics.recall_at_20 > 0.9);
  }
  const model::Model linear = trained("ease", split.train);
  CHECK(train("ials", split.train, {.parameters = {{"project", "true"}}, .teacher = &linear}).status().code() ==
        StatusCode::kInvalidArgument);
  CHECK(train("ease", split.train, {.teacher = &teacher}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("advice is what the teacher ranks first and the user did not have") {
  InteractionsBuilder builder;
  builder.add_user("new");
  for (const char* item : {"3", "1", "mine"}) builder.add("u", item);
  for (const char* item : {"1", "2", "9"}) builder.add("v", item);
  const Interactions interactions = std::move(builder).finish();
  CHECK(interactions.items == std::vector<std::string>{"1", "2", "3", "9", "mine"});
  const model::Model teacher{.items = {"9", "3", "2", "1", "unknown"},
                             .popularity = {1, 2, 3, 4, 5},
                             .components = {{.name = "popular", .kind = model::ComponentKind::kPopularity}}};
  const auto advised = with_advice(teacher, interactions, {.items = 2, .weight = 0.5F});
  REQUIRE_MESSAGE(advised.ok(), advised.status().to_string());
  // u is advised "unknown", which nobody here has, and 2; v "unknown" and 3.
  CHECK(advised->users == std::vector<std::string>{"new", "u", "v"});
  CHECK(advised->offsets == std::vector<std::uint64_t>{0, 0, 4, 8});
  CHECK(advised->columns == std::vector<std::uint32_t>{0, 1, 2, 4, 0, 1, 2, 3});
  CHECK(advised->values == std::vector<float>{1, 0.5F, 1, 1, 1, 1, 0.5F, 1});
}

TEST_CASE("a training that was broken off is resumed to the same model") {
  const Split split = planted_clusters(15);
  const TemporaryFolder scratch;
  TrainOptions options{.parameters = small("ials"), .checkpoint = scratch / "m.partial"};
  const model::Model whole = trained("ials", split.train, {.parameters = small("ials")});

  std::vector<std::string> remarks;
  options.remark = [&](const std::string& text) { remarks.push_back(text); };
  options.progress = [](double fraction) { return fraction < 0.6; };
  CHECK(train("ials", split.train, options).status().code() == StatusCode::kCancelled);
  options.progress = {};
  options.resume = true;
  const model::Model resumed = trained("ials", split.train, options);
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0].find("resuming after epoch") != std::string::npos);
  CHECK(resumed.components[0].item_vectors == whole.components[0].item_vectors);

  options.parameters["regularization"] = "0.5";
  static_cast<void>(trained("ials", split.train, options));
  CHECK(remarks.back().find("nothing to resume") != std::string::npos);
  remove_checkpoint(options.checkpoint);
  CHECK(!std::filesystem::exists(options.checkpoint));
}

TEST_CASE("any single change of the interactions or the parameters is another training") {
  const Interactions one{
      .users = {"u", "v"}, .items = {"a", "b"}, .offsets = {0, 1, 2}, .columns = {0, 1}, .values = {1, 2}};
  std::vector<Interactions> others(6, one);
  others[0].values[1] = 3;  // other weights
  others[1].columns[1] = 0;
  others[2].offsets[1] = 0;
  others[3].users[1] = "w";
  others[4].items[0] = "c";
  others[5].users = {"uv", ""};
  std::set<std::string> fingerprints{training_fingerprint(one, "dim=8"), training_fingerprint(one, "dim=9")};
  for (const Interactions& other : others) fingerprints.insert(training_fingerprint(other, "dim=8"));
  CHECK(fingerprints.size() == 8);
  CHECK(training_fingerprint(Interactions(one), "dim=8") == training_fingerprint(one, "dim=8"));
}

TEST_CASE("a checkpoint of the same events with other weights, or of another seed, is not resumed") {
  Split split = planted_clusters(15);
  const TemporaryFolder scratch;
  std::vector<std::string> remarks;
  TrainOptions options{.parameters = small("ials"), .checkpoint = scratch / "m.partial"};
  options.remark = [&](const std::string& text) { remarks.push_back(text); };
  static_cast<void>(trained("ials", split.train, options));
  options.resume = true;
  static_cast<void>(trained("ials", split.train, options));
  CHECK(remarks.back().find("resuming after epoch") != std::string::npos);
  split.train.values.assign(split.train.columns.size(), 1.0F);
  split.train.values[0] = 2.0F;
  const model::Model reweighted = trained("ials", split.train, options);
  CHECK(remarks.back().find("nothing to resume") != std::string::npos);
  CHECK(reweighted.components[0].item_vectors ==
        trained("ials", split.train, {.parameters = small("ials")}).components[0].item_vectors);
  options.seed += 1;
  static_cast<void>(trained("ials", split.train, options));
  CHECK(remarks.back().find("nothing to resume") != std::string::npos);
}

TEST_CASE("what cannot be trained is refused with what there is instead") {
  const Split split = planted_clusters(16);
  const auto message = [&](std::string_view kind, std::map<std::string, std::string> parameters) {
    const auto model = train(kind, split.train, {.parameters = std::move(parameters)});
    return model.ok() ? "" : model.status().to_string();
  };
  CHECK(message("magic", {}).find("NOT_FOUND: there is no kind 'magic'; there are: popularity, item-knn") == 0);
  CHECK(message("popularity", {{"dim", "3"}}).find("this kind has none") != std::string::npos);
  CHECK(message("ials", {{"dims", "3"}}).find("there is no parameter 'dims' here; there are: ") != std::string::npos);
  CHECK(message("ials", {{"dim", "-3"}}).find("dim = '-3' is not an integer of 0 or more") != std::string::npos);
  CHECK(message("ials", {{"regularization", "nan"}}).find("is not a number") != std::string::npos);
  CHECK(message("graph", {{"sharpen_low_rank", "1"}}).find("is not true or false") != std::string::npos);
  CHECK(train("popularity", {}, {}).status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("neighbours on the LightGCN split of Gowalla measure what NumPy and SciPy do") {
  const std::string data = test::real_data_with("gowalla_lightgcn/train.txt.gz");
  if (data.empty()) return;
  const std::string folder = data + "/gowalla_lightgcn";
  auto train_pairs = read_lightgcn(std::vector{folder + "/train.txt.gz"});
  auto valid_pairs = read_lightgcn(std::vector{folder + "/valid.txt.gz"});
  REQUIRE_MESSAGE(train_pairs.ok(), train_pairs.status().to_string());
  REQUIRE_MESSAGE(valid_pairs.ok(), valid_pairs.status().to_string());
  const Split split{*std::move(train_pairs), *std::move(valid_pairs)};
  CHECK(split.train.columns.size() == 719'081);
  CHECK(split.test.columns.size() == 91'047);
  const HeldOutReport report = measured(trained("item-knn", split.train), split);
  CHECK(report.users == 29'858);
  // Shrunk cosine (10), 100 neighbours a row, ranked and measured by a separate program in NumPy and SciPy.
  CHECK(report.metrics.recall_at_20 == doctest::Approx(0.181787).epsilon(1e-3));
  CHECK(report.metrics.recall_at_50 == doctest::Approx(0.283765).epsilon(1e-3));
  CHECK(report.metrics.ndcg_at_20 == doctest::Approx(0.103408).epsilon(1e-3));
  CHECK(report.metrics.ndcg_at_100 == doctest::Approx(0.149582).epsilon(1e-3));
}
