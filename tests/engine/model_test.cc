// An engine and its model: what is in force, what replaces it, and what is said of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "cairn/engine.h"
#include "engine/model/model.h"
#include "engine/ranking/ranker_model.h"
#include "engine/ranking/score/ranking_features.h"
#include "tests/engine/model/made_up.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using test::TemporaryFolder;

constexpr std::size_t kDim = 4;

/// A folder for a state directory and for models, and what an engine there has logged.
struct Site {
  Site() {
    options.state_dir = folder / "state";
    options.state.free_bytes_min = 1 << 20;
    options.log = Logger([this](LogLevel, std::string_view event, std::string_view, std::initializer_list<LogField>) {
      const std::scoped_lock lock(mutex);
      events.emplace_back(event);
    });
  }

  /// Writes a model whose items are "p0", "p1" and so on.
  std::string save(const std::string& name, std::size_t items, std::uint64_t seed = 1) const {
    model::Model made{.kind = "made up", .popularity = std::vector<float>(items, 1.0F)};
    for (std::size_t i = 0; i < items; ++i) made.items.push_back("p" + std::to_string(i));
    made.components.push_back({.name = "vectors",
                               .kind = model::ComponentKind::kEmbedding,
                               .dim = kDim,
                               .item_vectors = model_test::normal_matrix(items, kDim, seed)});
    const Status saved = model::save_model(made, folder / name);
    REQUIRE_MESSAGE(saved.ok(), saved.to_string());
    return folder / name;
  }
  [[nodiscard]] std::unique_ptr<Engine> open() const {
    auto engine = Engine::open(options);
    REQUIRE_MESSAGE(engine.ok(), engine.status().to_string());
    return *std::move(engine);
  }
  /// Breaks a model in a way that its head does not show.
  void damage(const std::string& name) const {
    const std::string path = name + "/vectors-1.safetensors";
    std::string bytes = folder.read(path);
    std::fill(bytes.end() - 8, bytes.end(), '\xff');  // a NaN
    folder.write(path, bytes);
  }
  [[nodiscard]] std::ptrdiff_t logged(const std::string& event) {
    const std::scoped_lock lock(mutex);
    return std::count(events.begin(), events.end(), event);
  }

  TemporaryFolder folder;
  EngineOptions options;
  std::mutex mutex;
  std::vector<std::string> events;
};

void upsert(Engine& engine, std::size_t places) {
  std::vector<Place> all;
  for (std::size_t i = 0; i < places; ++i) {
    all.push_back({PlaceId("p" + std::to_string(i)), "", {40.0 + 0.01 * static_cast<double>(i), -74.0}, ""});
  }
  REQUIRE(engine.upsert_places({}, all).ok());
  REQUIRE(engine.wait_caught_up({}).ok());
}

const ReadinessCheck* check_of(const EngineStatus& status, std::string_view name) {
  const auto found = std::find_if(status.checks.begin(), status.checks.end(),
                                  [&](const ReadinessCheck& check) { return check.name == name; });
  return found == status.checks.end() ? nullptr : &*found;
}

ModelStatus in_force(const Engine& engine) { return engine.status({}).model; }

TEST_CASE("without a configured model there is none, and no check speaks of it") {
  const Site site;
  const auto engine = site.open();
  const EngineStatus status = engine->status({});
  CHECK(!status.model.in_force());
  CHECK(status.model.as_configured());
  CHECK(!status.model.last_failure);
  CHECK(check_of(status, "model") == nullptr);
}

TEST_CASE("the configured model is in force from the start, and its items are held against the catalogue") {
  Site site;
  site.options.model.dir = site.save("m", 10) + "/";
  const auto engine = site.open();
  upsert(*engine, 4);
  // The places are there; the schedule brings the model's rows up to them, which activating anew does at once.
  REQUIRE(engine->activate_model({}, site.folder / "m", ModelChoice::kConfigured).ok());
  const EngineStatus status = engine->status({});
  CHECK(status.model.configured == site.folder / "m");
  CHECK(status.model.directory == site.folder / "m");
  CHECK(status.model.as_configured());
  CHECK(status.model.version.ends_with("-1"));
  CHECK(status.model.kind == "made up");
  CHECK(status.model.items == 10);
  CHECK(status.model.items_without_place == 6);
  CHECK(status.model.places_without_item == 0);
  CHECK(status.model.loaded > EventTime{});
  REQUIRE(check_of(status, "model") != nullptr);
  CHECK(check_of(status, "model")->ok);
  CHECK(check_of(status, "model")->detail.find(status.model.version) != std::string::npos);
  const auto memory = std::find_if(status.memory.begin(), status.memory.end(),
                                   [](const MemoryPart& part) { return part.name == "model"; });
  REQUIRE(memory != status.memory.end());
  CHECK(memory->bytes > 10 * kDim * sizeof(float));
  upsert(*engine, 12);
  REQUIRE(engine->activate_model({}, site.folder / "m", ModelChoice::kConfigured).ok());
  CHECK(in_force(*engine).items_without_place == 0);
  CHECK(in_force(*engine).places_without_item == 2);
}

TEST_CASE("a head that is wrong refuses the start before anything is opened, and the check says the same") {
  Site site;
  site.options.model.dir = site.folder / "absent";
  const auto refused = Engine::open(site.options);
  CHECK(refused.status().code() == StatusCode::kNotFound);
  CHECK(check_model_directory(site.options.model.dir).message() == refused.status().message());
  CHECK(!std::filesystem::exists(site.options.state_dir));
}

TEST_CASE("a model that only reading all of it shows to be broken is gone without, and told of, until it is mended") {
  Site site;
  site.options.model.dir = site.save("m", 10);
  site.damage("m");
  REQUIRE(check_model_directory(site.options.model.dir).ok());
  const auto engine = site.open();
  CHECK(site.logged("model.refused") == 1);
  EngineStatus status = engine->status({});
  CHECK(!status.model.in_force());
  REQUIRE(status.model.last_failure);
  CHECK(status.model.last_failure->directory == site.folder / "m");
  CHECK(status.model.last_failure->reason.find("not finite") != std::string::npos);
  REQUIRE(check_of(status, "model") != nullptr);
  CHECK(!check_of(status, "model")->ok);
  CHECK(!check_of(status, "model")->required);
  CHECK(status.ready());
  site.save("m", 10);
  REQUIRE(engine->activate_model({}, site.folder / "m", ModelChoice::kConfigured).ok());
  status = engine->status({});
  CHECK(status.model.in_force());
  CHECK(!status.model.last_failure);
  CHECK(check_of(status, "model")->ok);
}

TEST_CASE("another model is in force until the engine closes; what is configured is what opens next") {
  Site site;
  site.options.model.dir = site.save("m", 10);
  site.save("n", 7, 2);
  {
    const auto engine = site.open();
    const auto activated = engine->activate_model({}, site.folder / "x/../n/", ModelChoice::kForNow);
    REQUIRE_MESSAGE(activated.ok(), activated.status().to_string());
    CHECK(activated->directory == site.folder / "n");
    CHECK(activated->items == 7);
    CHECK(!activated->as_configured());
    CHECK(check_of(engine->status({}), "model")->ok);
    CHECK(check_of(engine->status({}), "model")->detail.find("not the configured one") != std::string::npos);
  }
  CHECK(in_force(*site.open()).items == 10);
}

TEST_CASE("what cannot be activated leaves the model in force, and is told of without a failing check") {
  Site site;
  site.options.model.dir = site.save("m", 10);
  const auto engine = site.open();
  const std::string before = in_force(*engine).version;
  CHECK(engine->activate_model({}, site.folder / "typo", ModelChoice::kForNow).status().code() ==
        StatusCode::kNotFound);
  const EngineStatus status = engine->status({});
  CHECK(status.model.version == before);
  REQUIRE(status.model.last_failure);
  CHECK(status.model.last_failure->directory == site.folder / "typo");
  CHECK(check_of(status, "model")->ok);  // nobody's slip of the keyboard degrades the engine
  CHECK(site.logged("model.refused") == 1);
}

// ---- rankers --------------------------------------------------------------------------------------------------------

/// Writes a ranker that knows nothing but the distance.
std::string save_ranker(const Site& site, const std::string& name, std::uint64_t version, double per_kilometer) {
  ranking::RankerModel ranker = ranking::default_ranker();
  ranker.version = version;
  ranker.network.reset();
  std::fill(ranker.weights.begin(), ranker.weights.end(), 0.0);
  ranker.weights.at(ranking::find_ranking_feature("distance").value()) = per_kilometer;
  std::filesystem::create_directories(site.folder / name);
  REQUIRE(ranking::write_ranker(site.folder / name, ranker).ok());
  return site.folder / name;
}

/// The places around "p0", best first, and the version of the ranker that says so.
std::pair<std::string, std::uint64_t> answer_of(const Engine& engine) {
  RecommendRequest request{.user = UserId("u"), .position = GeoPoint{40.0, -74.0}};
  request.radius_meters = 50'000.0;
  const auto answer = engine.recommend({}, request);
  REQUIRE_MESSAGE(answer.ok(), answer.status().to_string());
  std::string ids;
  for (const Recommended& item : answer->items) ids += item.place.id.str();
  return {ids, answer->ranker};
}

TEST_CASE("a ranker is put in force while the engine runs, answers say which, and a broken one changes nothing") {
  Site site;
  const auto engine = site.open();
  upsert(*engine, 3);
  const std::uint64_t shipped = ranking::default_ranker().version;
  CHECK(answer_of(*engine).second == shipped);
  CHECK(in_force(*engine).ranker.directory.empty());
  CHECK(in_force(*engine).ranker.network);

  // The directory says itself that it is a ranker.
  const auto far = engine->activate_model({}, save_ranker(site, "far", 77, 1.0), ModelChoice::kForNow);
  REQUIRE_MESSAGE(far.ok(), far.status().to_string());
  CHECK(far->ranker.directory == site.folder / "far");
  CHECK(far->ranker.version == 77);
  CHECK_FALSE(far->ranker.network);
  CHECK_FALSE(far->ranker.as_configured());
  CHECK_FALSE(far->in_force());  // of models there is none
  CHECK(answer_of(*engine) == std::pair(std::string("p2p1p0"), std::uint64_t{77}));
  CHECK(site.logged("ranker.activated") == 1);

  const std::string near = save_ranker(site, "near", 78, -1.0);
  site.folder.write("near/model.toml", site.folder.read("near/model.toml") + "\n[weights.more]\n");
  CHECK(engine->activate_model({}, near, ModelChoice::kForNow).status().code() == StatusCode::kInvalidArgument);
  CHECK(answer_of(*engine) == std::pair(std::string("p2p1p0"), std::uint64_t{77}));
  REQUIRE(in_force(*engine).ranker.last_failure);
  CHECK(in_force(*engine).ranker.last_failure->directory == near);
  CHECK(check_of(engine->status({}), "model") == nullptr);  // it was not configured: a slip of the keyboard
  CHECK(site.logged("ranker.refused") == 1);

  // What is configured and cannot be read is told of until it is mended.
  CHECK_FALSE(engine->activate_ranker({}, near, ModelChoice::kConfigured).ok());
  REQUIRE(check_of(engine->status({}), "model") != nullptr);
  CHECK_FALSE(check_of(engine->status({}), "model")->ok);
  CHECK(check_of(engine->status({}), "model")->detail.find("version 77 stays in force") != std::string::npos);
  save_ranker(site, "near", 78, -1.0);
  REQUIRE(engine->activate_ranker({}, near, ModelChoice::kConfigured).ok());
  CHECK(answer_of(*engine) == std::pair(std::string("p0p1p2"), std::uint64_t{78}));
  CHECK(in_force(*engine).ranker.as_configured());
  CHECK(check_of(engine->status({}), "model") == nullptr);

  REQUIRE(engine->activate_ranker({}, "", ModelChoice::kConfigured).ok());
  CHECK(answer_of(*engine).second == shipped);
  CHECK(in_force(*engine).ranker.network);
}

TEST_CASE("weights that are named outlast a change of the ranker") {
  Site site;
  site.options.ranking.weights = {{"distance", -1.0}};
  site.options.ranking.default_weights = false;
  const auto engine = site.open();
  upsert(*engine, 3);
  REQUIRE(engine->activate_model({}, save_ranker(site, "far", 77, 1.0), ModelChoice::kForNow).ok());
  CHECK(answer_of(*engine) == std::pair(std::string("p0p1p2"), std::uint64_t{77}));
}

TEST_CASE("a model stays in force when the ranker is replaced, and a ranker when the model is") {
  Site site;
  site.options.model.dir = site.save("m", 10);
  site.options.ranking.ranker_dir = save_ranker(site, "far", 77, 1.0);
  const auto engine = site.open();
  CHECK(in_force(*engine).ranker.as_configured());
  REQUIRE(engine->activate_ranker({}, "", ModelChoice::kForNow).ok());
  CHECK(in_force(*engine).directory == site.folder / "m");
  REQUIRE(engine->activate_ranker({}, site.folder / "far", ModelChoice::kForNow).ok());
  REQUIRE(engine->activate_model({}, site.save("n", 5), ModelChoice::kForNow).ok());
  CHECK(in_force(*engine).items == 5);
  CHECK(in_force(*engine).ranker.version == 77);
}

TEST_CASE("no model is in force once none is wanted, and a call that is late changes nothing") {
  Site site;
  site.options.model.dir = site.save("m", 10);
  const auto engine = site.open();
  std::stop_source gone;
  gone.request_stop();
  CHECK(engine->activate_model({.cancelled = gone.get_token()}, "", ModelChoice::kForNow).status().code() ==
        StatusCode::kCancelled);
  CHECK(in_force(*engine).in_force());
  REQUIRE(engine->activate_model({}, "", ModelChoice::kConfigured).ok());
  const EngineStatus status = engine->status({});
  CHECK(!status.model.in_force());
  CHECK(status.model.configured.empty());
  CHECK(check_of(status, "model") == nullptr);
  REQUIRE(engine->close().ok());
  CHECK(engine->activate_model({}, site.folder / "m", ModelChoice::kForNow).status().code() ==
        StatusCode::kUnavailable);
}

}  // namespace
