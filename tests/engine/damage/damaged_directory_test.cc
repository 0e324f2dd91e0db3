// A state directory whose files were cut, flipped or removed after a kill, while it held events that the API had
// acknowledged and nobody can send again. Whatever becomes of it: all of them are there, or the start is refused and
// says which file, and putting it back brings everything back; or the engine says that it is not ready. Never ready and
// wrong.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cairn/engine.h"
#include "tests/support/copy_at_rest.h"
#include "tests/support/environment_number.h"
#include "tests/support/temporary_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

EngineOptions options_at(const std::string& path) {
  EngineOptions options;
  options.state_dir = path;
  options.state.free_bytes_min = 0;
  // So that what the image's last calls brought is in the log alone.
  options.state.window = 1h;
  options.state.memtable_bytes = 64u << 10;
  options.state.block_cache_bytes = 1u << 20;
  options.state.row_cache_bytes = 1u << 20;
  options.event_log_segment_bytes = 4'000;
  return options;
}

using Counts = std::map<std::string, double>;

/// A directory as a killed process leaves it, and what it had acknowledged.
struct Image {
  std::string path;
  Counts visits;  ///< by place
  Counts users;   ///< events by user
  std::vector<std::string> places;
};

class Maker {
 public:
  Maker(Engine& engine, std::uint32_t seed) : engine_(engine), random_(seed) {}

  void ingest(int calls) {
    for (int i = 0; i < calls; ++i) {
      const std::string place = "place " + std::to_string(random_() % 40);
      const std::string user = "user " + std::to_string(random_() % 500);
      const std::string event = R"({"user_id":")" + user + R"(","place_id":")" + place + R"(","type":"visit","ts":)" +
                                std::to_string(1'700'000'000'000 + ++time_) + "}";
      const std::vector<std::string_view> events{event};
      const auto ack = engine_.ingest({}, events);
      REQUIRE_MESSAGE(ack.ok(), ack.status().to_string());
      REQUIRE(ack->accepted == 1);
      visits_[place] += 1.0;
      users_[user] += 1.0;
    }
  }
  void upsert(int count) {
    std::vector<Place> places;
    for (int i = 0; i < count; ++i) {
      places_.push_back("known " + std::to_string(places_.size()));
      places.push_back({PlaceId(places_.back()), "A place", {40.0, -74.0}, "Bar"});
    }
    REQUIRE(engine_.upsert_places({}, places).ok());
  }
  void add_to(Image* image) const {
    for (const auto& [place, count] : visits_) image->visits[place] += count;
    for (const auto& [user, count] : users_) image->users[user] += count;
  }
  [[nodiscard]] const std::vector<std::string>& places() const { return places_; }

 private:
  Engine& engine_;
  std::mt19937 random_;
  std::int64_t time_ = 0;
  Counts visits_;
  Counts users_;
  std::vector<std::string> places_;
};

bool log_was_trimmed(const std::string& path) { return !fs::exists(path + "/event-log/00000000000000000000.events"); }

/// Kinds of images: 0 young, with nothing but places in the store; 1 with table files and a trimmed log; 2 the same,
/// with new places behind; 3 opened anew.
Image make_image(const test::TemporaryFolder& folder, int kind, std::uint32_t seed) {
  const std::string path = folder / ("state" + std::to_string(kind));
  Image image{folder / ("image" + std::to_string(kind)), {}, {}, {}};
  auto engine = *Engine::open(options_at(path));
  Maker maker(*engine, seed);
  maker.upsert(5);
  maker.ingest(150);
  if (kind > 0) {
    REQUIRE(engine->wait_caught_up(CallContext::within(60s)).ok());
    for (int copy = 0; copy < 3; ++copy) {  // each puts what there is into table files
      REQUIRE(engine->checkpoint({}, folder / "copy").ok());
      fs::remove_all(folder / "copy");
      maker.ingest(60);
    }
    while (!log_was_trimmed(path)) {
      maker.upsert(1);  // calls the chores
      std::this_thread::sleep_for(5ms);
    }
  }
  if (kind == 3) {
    REQUIRE(engine->close().ok());
    engine.reset();
    engine = *Engine::open(options_at(path));
    Maker again(*engine, seed + 1);
    again.ingest(40);
    REQUIRE(engine->wait_caught_up(CallContext::within(60s)).ok());
    again.ingest(30);
    again.add_to(&image);
  } else {
    maker.ingest(40);
    if (kind > 0) REQUIRE(engine->wait_caught_up(CallContext::within(60s)).ok());
    if (kind > 1) maker.upsert(2);
    maker.ingest(30);
  }
  test::copy_at_rest(path, image.path);
  maker.add_to(&image);
  image.places = maker.places();
  REQUIRE(engine->close().ok());
  return image;
}

enum class Harm { kCut, kFlip, kEmpty, kRemove };
constexpr std::pair<Harm, const char*> kHarms[] = {
    {Harm::kCut, "cut"}, {Harm::kFlip, "flip"}, {Harm::kEmpty, "empty"}, {Harm::kRemove, "remove"}};
/// What the names of the files begin or end with.
constexpr const char* kFiles[] = {".log",         "MANIFEST-", "CURRENT",   ".sst",     ".events",
                                  "acknowledged", "identity",  "LASTWRITE", "LASTFLUSH"};

class Round {
 public:
  Round(const Image& image, std::string path, std::uint32_t seed)
      : image_(image), path_(std::move(path)), random_(seed) {
    fs::copy(image_.path, path_, fs::copy_options::recursive);
  }
  ~Round() { fs::remove_all(path_); }

  /// Returns: false when there is no such file.
  bool harm(const char* kind, Harm how) {
    std::vector<fs::path> files;
    for (const auto& [name, size] : test::list_files(path_)) {
      const std::string file = fs::path(name).filename().string();
      if (size > 0 && (file.starts_with(kind) || file.ends_with(kind))) files.push_back(fs::path(path_) / name);
    }
    if (files.empty()) return false;
    const fs::path file = files[random_() % files.size()];
    harmed_file_ = file.lexically_relative(path_);
    const std::uintmax_t size = fs::file_size(file);
    const std::uintmax_t at = random_() % size;
    harmed_ = file.string() + " at byte " + std::to_string(at) + " of " + std::to_string(size);
    switch (how) {
      case Harm::kCut:
        fs::resize_file(file, at);
        break;
      case Harm::kEmpty:
        fs::resize_file(file, 0);
        break;
      case Harm::kRemove:
        fs::remove(file);
        break;
      case Harm::kFlip: {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(static_cast<std::streamoff>(at));
        const int byte = stream.get();
        stream.seekp(static_cast<std::streamoff>(at));
        stream.put(static_cast<char>(byte ^ (1 << (random_() % 8))));
        REQUIRE(stream.good());
      }
    }
    return true;
  }

  void check() {
    INFO("harmed: ", harmed_);
    const StateExamination examined = examine_state(path_);
    if (harmed_.empty()) CHECK(examined.damaged.empty());
    auto opened = Engine::open(options_at(path_));
    if (!opened.ok()) {
      check_refusal(opened.status());
      check_named(examined);
      return check_put_back();
    }
    Engine& engine = **opened;
    const Status caught_up = engine.wait_caught_up(CallContext::within(20s));
    const std::string missing = caught_up.ok() ? compare(engine) : caught_up.to_string();
    const EngineStatus status = engine.status({});
    std::string said;
    for (const ReadinessCheck& check : status.checks) said += check.ok ? "" : check.detail;
    INFO("missing: ", missing, "; the engine says: ", said);
    if (missing.empty()) {
      ++whole_;
    } else {
      CHECK_FALSE(status.ready());
      CHECK(said.find('/') != std::string::npos);  // a file
      ++not_ready_;
    }
    static_cast<void>(engine.close());
  }

  static int whole_, refused_, not_ready_;

 private:
  void check_refusal(const Status& status) const {
    INFO("refused: ", status.to_string());
    ++refused_;
    CHECK(status.code() == StatusCode::kDataLoss);
    CHECK(status.message().find(path_) != std::string::npos);
    const bool remedy = status.message().find("restore") != std::string::npos;
    CHECK(remedy);
  }

  /// What a start refuses, an examination has found, and each finding says what to do.
  void check_named(const StateExamination& examined) const {
    CHECK_FALSE(examined.damaged.empty());
    for (const Damage& damage : examined.damaged) {
      INFO("found: ", damage.what, "; remedy: ", damage.remedy);
      CHECK(damage.what.find(path_) != std::string::npos);
      CHECK_FALSE(damage.remedy.empty());
    }
  }

  /// What was refused was left as it was: with the file as it was before, everything is there.
  void check_put_back() const {
    fs::copy_file(fs::path(image_.path) / harmed_file_, fs::path(path_) / harmed_file_,
                  fs::copy_options::overwrite_existing);
    const auto opened = Engine::open(options_at(path_));
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    REQUIRE((*opened)->wait_caught_up(CallContext::within(20s)).ok());
    CHECK(compare(**opened) == "");
    static_cast<void>((*opened)->close());
  }

  /// Everything that was acknowledged is counted once. Returns: what cannot be read, with its reason.
  std::string compare(const Engine& engine) const {
    std::string missing;
    for (const auto& [place, count] : image_.visits) {
      const FeatureVector vector = read(engine, EntityKind::kPlace, place, "place_visits", &missing);
      if (vector.status == FeatureStatus::kPresent) CHECK(vector.entries.at(0).value == count);
    }
    for (const auto& [user, count] : image_.users) {
      const FeatureVector vector = read(engine, EntityKind::kUser, user, "user_history", &missing);
      if (vector.status == FeatureStatus::kPresent) CHECK(static_cast<double>(vector.entries.size()) == count);
    }
    for (const std::string& place : image_.places) CHECK(engine.get_place({}, PlaceId(place)).ok());
    return missing;
  }

  static FeatureVector read(const Engine& engine, EntityKind kind, const std::string& key, const std::string& view,
                            std::string* missing) {
    const auto answer = engine.get_features({}, {kind, {key}, {view}, {}});
    FeatureVector vector{view, FeatureStatus::kInvalid, {}};
    if (answer.ok()) vector = answer->entities.at(0).vectors.at(0);
    if (vector.status == FeatureStatus::kInvalid) {
      *missing = key + (answer.ok() ? " is invalid" : " cannot be read: " + answer.status().to_string());
    } else {
      CHECK_MESSAGE(vector.status == FeatureStatus::kPresent, key);
    }
    return vector;
  }

  const Image& image_;
  const std::string path_;
  std::mt19937 random_;
  std::string harmed_;
  fs::path harmed_file_;  ///< below the directory
};
int Round::whole_ = 0;
int Round::refused_ = 0;
int Round::not_ready_ = 0;

TEST_CASE("whatever file is cut, flipped or removed, no acknowledged event is missing from an engine that is ready") {
  const std::uint32_t seed = test::environment_number("CAIRN_TEST_SEED", 20270);
  const std::uint32_t rounds = test::environment_number("CAIRN_DAMAGE_ROUNDS", 20);
  INFO("seed ", seed, " (set CAIRN_TEST_SEED, and CAIRN_DAMAGE_ROUNDS for more than ", rounds, " rounds of each kind)");
  const test::TemporaryFolder folder;
  std::vector<Image> images;
  for (int kind = 0; kind < 4; ++kind) images.push_back(make_image(folder, kind, seed));
  std::mt19937 random(seed);
  {
    for (const Image& image : images) Round(image, folder / "untouched", seed).check();
    REQUIRE(Round::whole_ == 4);
  }
  for (const char* file : kFiles) {
    for (const auto& [how, name] : kHarms) {
      Round::whole_ = Round::refused_ = Round::not_ready_ = 0;
      for (std::uint32_t i = 0; i < rounds; ++i) {
        const Image& image = images[random() % images.size()];
        INFO("round ", i, " of ", image.path);
        Round round(image, folder / "round", random());
        if (round.harm(file, how)) round.check();
      }
      MESSAGE(std::string(file), " ", std::string(name), ": whole ", Round::whole_, ", refused ", Round::refused_,
              ", not ready ", Round::not_ready_);
    }
  }
}

}  // namespace
}  // namespace cairn
