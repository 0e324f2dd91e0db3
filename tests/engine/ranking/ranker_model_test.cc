#include "engine/ranking/ranker_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "engine/ranking/builtin_views.h"
#include "engine/ranking/recommender.h"
#include "features/row.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace cairn;
using ranking::default_ranker_text;
using ranking::RankerModel;
using ranking::read_ranker;
using ranking::Recommender;

/// The network of the text is the one that ships.
Result<RankerModel> parse_ranker(const std::string& name, std::string_view text) {
  return ranking::parse_ranker(name, text, [](const std::string& file) {
    return ranking::parse_network(file, ranking::default_ranker_network());
  });
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE_MESSAGE(at != std::string::npos, what);
  return text.replace(at, what.size(), by);
}

std::string shipped_with(const std::string& what, const std::string& by) {
  // Without the network, whose file would have to be beside it.
  const std::string_view text = default_ranker_text();
  return replaced(std::string(text.substr(0, text.find("[network]"))), what, by);
}

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

TEST_CASE("the ranker that ships as a file is the one that is in the library") {
  std::ifstream in(CAIRN_SOURCE_DIR "/engine/ranking/default_ranker/model.toml", std::ios::binary);
  REQUIRE(in);
  std::ostringstream shipped;
  shipped << in.rdbuf();
  CHECK(shipped.str() == default_ranker_text());
  const auto read = read_ranker(CAIRN_SOURCE_DIR "/engine/ranking/default_ranker");
  REQUIRE_MESSAGE(read.ok(), read.status().to_string());
  CHECK(read->weights == ranking::default_ranker().weights);
}

// Written down a second time: a number that changes by a slip, such as a lost sign, changes what everybody is answered,
// and no other test would say so. Who fits anew writes them down here too.
TEST_CASE("the ranker that ships weighs each feature as it was fitted") {
  struct Weight {
    const char* feature;
    double weight;
  };
  const Weight fitted[] = {{"habit", 1.3186918497085571},
                           {"visits", -0.3677327632904053},
                           {"visited", 1.4379212856292725},
                           {"visited_once", -0.9092829823493958},
                           {"just_visited", -2.881476402282715},
                           {"still_here", -1.8374743461608887},
                           {"recent_share", 0.2962096631526947},
                           {"hour_share", 0.13790102303028107},
                           {"week_hour_share", 0.150761216878891},
                           {"popularity", -0.4344334602355957},
                           {"popularity_day", 0.24475018680095673},
                           {"popularity_month", 0.5129991769790649},
                           {"hour_popularity", 0.34675997495651245},
                           {"hour_popularity_new", 0.3524559438228607},
                           {"category_hour", 0.265445351600647},
                           {"near", 1.2989130020141602},
                           {"distance", -0.7515195608139038},
                           {"distance_new", -0.8533260226249695},
                           {"category_affinity_new", 0.13179555535316467},
                           {"category_repeated", 0.5923360586166382},
                           {"cell_affinity_new", 0.0},
                           {"interest", 0.6},
                           {"dismissed", -4.0},
                           {"rating", 0.2},
                           {"model", 1.0}};
  const auto features = ranking::ranking_features();
  REQUIRE(features.size() == std::size(fitted));
  for (std::size_t i = 0; i < features.size(); ++i) {
    CHECK(features[i].name == fitted[i].feature);
    CHECK_MESSAGE(features[i].default_weight == fitted[i].weight, features[i].name);
    CHECK_MESSAGE(ranking::default_ranker().weights[i] == fitted[i].weight, features[i].name);
  }
}

TEST_CASE("the ranker that ships has the kernels that were fitted") {
  const ranking::HabitCoefficients& habit = ranking::default_ranker().habit;
  CHECK(habit.constant == -0.7427157163619995);
  CHECK(habit.age == -0.40783944725990295);
  CHECK(habit.hour_close == 1.3569607734680176);
  CHECK(habit.hour_wide == 0.28124871850013733);
  CHECK(habit.same_day == -0.031005775555968285);
  CHECK(habit.hour_when_fresh == -1.4843794107437134);
  CHECK(habit.hour_same_kind_of_day == 0.7314072251319885);
  CHECK(habit.same_gap == 1.1120575666427612);
  CHECK(habit.near_start == 0.8506532907485962);
  CHECK(habit.same_start == 1.107342004776001);
  CHECK(habit.same_start_and_gap == 0.6947216987609863);
  CHECK(habit.same_second == 0.3574143350124359);
  CHECK(habit.hour_close_width_hours == 0.6);
  CHECK(habit.hour_wide_width_hours == 4);
  CHECK(habit.hour_width_hours == 1.5);
  CHECK(habit.near_start_meters == 300);
  CHECK(habit.gap_floor_hours == 0.1);
  const ranking::WeekCoefficients& week = ranking::default_ranker().week;
  CHECK(week.reach_hours == 4);
  CHECK(week.hour_width_hours == 1.5);
  CHECK(week.same_day == 0.4);
  CHECK(week.same_kind_of_day == 0.2);
  CHECK(week.other_day == 0.03);
}

TEST_CASE("a ranker holds the numbers of its file") {
  CHECK(ranking::default_ranker().version == 1350037980);  // of the newest check-in

  const auto other = parse_ranker("r", shipped_with("version = 1350037980", "version = 7"));
  REQUIRE(other.ok());
  CHECK(other->version == 7);
  const auto whole = parse_ranker("r", shipped_with("dismissed = -4.0", "dismissed = -4"));
  REQUIRE_MESSAGE(whole.ok(), whole.status().to_string());  // an integer is a number
}

TEST_CASE("a ranker that is wrong is refused with file, line and key") {
  struct Wrong {
    const char* what;
    const char* by;
    const char* message;
  };
  const Wrong wrongs[] = {
      {"habit = 1.3186918497085571\n", "", "r:9: the number 'habit' is missing"},
      {"habit = 1.3186918497085571", "habit = nan", "r:10: habit is not finite"},
      {"habit = 1.3186918497085571", "habit = inf", "r:10: habit is not finite"},
      {"habit = 1.3186918497085571", "habit = \"1\"", "r:10: habit is a string, not a number"},
      {"habit = 1.3186918497085571", "habits = 1.3186918497085571", "r:9: the number 'habit' is missing"},
      {"visits = ", "visitors = 1.0\nvisits = ", "r:11: the key 'visitors' is not known here"},
      {"same_second = 0.3574143350124359\n", "", "r:36: the number 'same_second' is missing"},
      {"gap_floor_hours = 0.1", "gap_floor_hours = 0", "r:53: gap_floor_hours must be from 0.01 to 1e6"},
      {"near_start_meters = 300.0", "near_start_meters = -1", "r:52: near_start_meters must be from 0.01 to 1e6"},
      {"constant = ", "konstant = 1\nconstant = ", "r:37: the key 'konstant' is not known here"},
      {"other_day = 0.03", "other_day = -0.03", "r:60: other_day must be from 0 to 1e6"},
      {"gap_floor_hours = 0.1", "gap_floor_hours = 1e-300", "r:53: gap_floor_hours must be from 0.01 to 1e6"},
      {"other_day = 0.03", "other_day = 1e300", "r:60: other_day must be from 0 to 1e6"},
      {"other_day = 0.03\n", "", "r:55: the number 'other_day' is missing"},
      {"reach_hours = 4", "reach_hours = 13", "r:56: reach_hours must be at most 12"},
      {"reach_hours = 4", "reach_hours = 0.5", "r:56: reach_hours is not an integer of 0 or more"},
      {"reach_hours = 4\n", "", "r:55: the number 'reach_hours' is missing"},
      {"[week_kernel]", "[weak_kernel]", "r:1: the table [week_kernel] is missing"},
      {"version = 1350037980\n", "version = 1\nitems = \"../items\"\n", "r:8: items must be the name of a folder"},
      {"version = 1350037980\n", "version = 1\nitems = \"\"\n", "r:8: items must be the name of a folder"},
      {"version = 1350037980\n", "version = 1\nitems = 1\n", "r:8: items is "},
      {"version = 1350037980\n", "version = 1\nweek_kernels = 1\n", "r:8: the key 'week_kernels' is not known here"},
      {"version = 1350037980\n", "", "r:1: the number 'version' is missing"},
      {"kind = \"linear_ranker\"\n", "", "r:1: kind must be 'linear_ranker', which is missing"},
      {"\"linear_ranker\"", "\"ials\"", "r:6: kind must be 'linear_ranker', and not 'ials'"},
      {"format = 1\n", "", "r:1: format = 1 is missing"},
      {"[weights]", "[weights", "r:9: "},
  };
  for (const Wrong& wrong : wrongs) {
    CAPTURE(wrong.by);
    const auto read = parse_ranker("r", shipped_with(wrong.what, wrong.by));
    REQUIRE_FALSE(read.ok());
    CHECK(read.status().code() == StatusCode::kInvalidArgument);
    CHECK_MESSAGE(read.status().message().starts_with(wrong.message), read.status().message());
  }
  const auto later = parse_ranker("r", shipped_with("format = 1", "format = 2"));
  CHECK(later.status().code() == StatusCode::kUnimplemented);
  CHECK(later.status().message().starts_with("r:5: format 2 is of another version"));
}

TEST_CASE("numbers may go to their bounds and no further") {
  const auto taken = [](const char* what, const char* by) { return parse_ranker("r", shipped_with(what, by)).ok(); };
  CHECK(taken("dismissed = -4.0", "dismissed = -1e6"));
  CHECK_FALSE(taken("dismissed = -4.0", "dismissed = -1000001.0"));
  CHECK(taken("rating = 0.2", "rating = 1e6"));
  CHECK_FALSE(taken("rating = 0.2", "rating = 1000001.0"));
  CHECK(taken("same_day = -0.031005775555968285", "same_day = 25.0"));
  CHECK_FALSE(taken("same_day = -0.031005775555968285", "same_day = 25.1"));
  CHECK(taken("same_day = -0.031005775555968285", "same_day = -25.0"));
  CHECK_FALSE(taken("same_day = -0.031005775555968285", "same_day = -25.1"));
  CHECK(taken("gap_floor_hours = 0.1", "gap_floor_hours = 0.01"));
  CHECK_FALSE(taken("gap_floor_hours = 0.1", "gap_floor_hours = 0.0099"));
  CHECK(taken("near_start_meters = 300.0", "near_start_meters = 1e6"));
  CHECK_FALSE(taken("near_start_meters = 300.0", "near_start_meters = 1000001.0"));
  CHECK(taken("other_day = 0.03", "other_day = 0.0"));
  CHECK(taken("reach_hours = 4", "reach_hours = 12"));
}

TEST_CASE("a directory without a model.toml is no ranker") {
  const test::TemporaryFolder folder;
  const auto none = read_ranker(folder.path());
  CHECK(none.status().code() == StatusCode::kNotFound);
  CHECK(none.status().message().starts_with(folder.path()));
}

/// Two places a user has or has not been to, ranked by what `options` say.
struct Fixture {
  std::unique_ptr<storage::StateStore> store = storage::open_memory_store(features::merge_encoded_rows);
  std::unique_ptr<state::FeatureState> state =
      *state::FeatureState::open(*store, {.views = ranking::builtin_views()}, InteractionTypes());
  const EventTime now = event_time_from_ms(1'700'000'000'000);

  Fixture() {
    REQUIRE(state->catalog().upsert({{Place{PlaceId("a"), "", {40.7, -74.0}, ""}}}).ok());
    const Interaction one{
        UserId("u"), PlaceId("a"), *state->types().find("visit"), now - std::chrono::hours(24), {}, {}, {}};
    REQUIRE(state->apply({"test", {&one, 1}, {}, 0}).ok());
  }
  [[nodiscard]] double score(const RankingOptions& options) const {
    const auto recommender = Recommender::create(*state, options);
    REQUIRE_MESSAGE(recommender.ok(), recommender.status().to_string());
    return static_cast<double>((*recommender)->score(UserId("u"), {40.7, -74.0}, now, 0.0, 100.0)->scores.at(0));
  }
};

TEST_CASE("a directory's numbers replace those that ship, and named weights replace the directory's") {
  const Fixture f;
  const test::TemporaryFolder folder;
  // Only habit weighs, and its kernel is the constant ln(3): one visit gives ln(1 + 3).
  std::string text;
  std::istringstream lines{std::string(default_ranker_text())};
  std::string table;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[")) table = line;
    if (table == "[network]") break;  // its file would have to be beside it
    const std::string key = line.substr(0, line.find(" = "));
    const bool number = line.find(" = ") != std::string::npos && !line.starts_with("#");
    if (number && table == "[weights]") line = key + (key == "habit" ? " = 2.5" : " = 0.0");
    if (number && table == "[habit_kernel]" && !line.ends_with("width_hours") &&
        key.find("width") == std::string::npos && key != "near_start_meters" && key != "gap_floor_hours") {
      line = key + (key == "constant" ? " = 1.0986122886681098" : " = 0.0");
    }
    text += line + "\n";
  }
  write(folder.path() + "/model.toml", text);
  RankingOptions options;
  options.ranker_dir = folder.path();
  CHECK(f.score(options) == doctest::Approx(2.5 * 1.3862943611));  // 2.5 * ln 4
  options.weights = {{"habit", -1.0}};                             // the kernel stays the directory's
  CHECK(f.score(options) == doctest::Approx(-1.3862943611));
  CHECK(f.score({}) != doctest::Approx(2.5 * 1.3862943611));
}

TEST_CASE("the week kernel of a directory says which hours a place is popular at") {
  const Fixture f;  // place a was visited once, a day before the moment asked for: a workday, at the same hour
  REQUIRE(f.state->catalog().upsert({{Place{PlaceId("b"), "", {40.7001, -74.0}, ""}}}).ok());
  const Interaction one{
      UserId("v"), PlaceId("b"), *f.state->types().find("visit"), f.now - std::chrono::hours(7 * 24), {}, {}, {}};
  REQUIRE(f.state->apply({"test", {&one, 1}, {}, 0}).ok());
  const test::TemporaryFolder folder;
  std::string text = shipped_with("reach_hours = 4", "reach_hours = 0");
  text = replaced(text, "same_day = 0.4", "same_day = 1.0");
  text = replaced(text, "same_kind_of_day = 0.2", "same_kind_of_day = 0.5");
  write(folder.path() + "/model.toml", replaced(text, "other_day = 0.03", "other_day = 0.0"));
  RankingOptions options;
  options.ranker_dir = folder.path();
  options.weights = {{"hour_popularity", 1.0}};
  options.default_weights = false;
  const auto recommender = Recommender::create(*f.state, options);
  REQUIRE_MESSAGE(recommender.ok(), recommender.status().to_string());
  const auto scored = (*recommender)->score(UserId("nobody"), {40.7, -74.0}, f.now, 0.0, 100.0);
  REQUIRE(scored->candidates.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    // b's visit counts 1, a's 1/2: of 2 visits, 3/4 fall near this hour. Each place has one visit and five that are
    // like everyone's: b (1 + 5 * 3/4) / 6 over 3/4 is 19/18, a (1/2 + 5 * 3/4) / 6 over 3/4 is 17/18.
    const bool is_b = scored->index->place(scored->candidates[i].row).id.str() == "b";
    const double expected = is_b ? 0.0540672213 : -0.0571584138;  // ln(19/18), ln(17/18)
    CHECK(static_cast<double>(scored->scores[i]) == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("a ranker names the model of items that it was trained with, and one that was trained with none names none") {
  const test::TemporaryFolder folder;
  RankerModel ranker = ranking::default_ranker();
  CHECK(ranker.items.empty());
  ranker.items = "items";
  REQUIRE(ranking::write_ranker(folder.path(), ranker).ok());
  const auto with = read_ranker(folder.path());
  REQUIRE_MESSAGE(with.ok(), with.status().to_string());
  CHECK(with->items == "items");
  ranker.items.clear();
  REQUIRE(ranking::write_ranker(folder.path(), ranker).ok());
  CHECK(read_ranker(folder.path())->items.empty());
}

TEST_CASE("whole rankings may leave out where the user has been, as answers do") {
  const Fixture f;  // the user has been to a
  REQUIRE(f.state->catalog().upsert({{Place{PlaceId("b"), "", {40.7001, -74.0}, ""}}}).ok());
  const auto recommender = Recommender::create(*f.state, {});
  REQUIRE_MESSAGE(recommender.ok(), recommender.status().to_string());
  const auto candidates = [&](const char* user, bool exclude_seen) {
    const auto scored = (*recommender)->score(UserId(user), {40.7, -74.0}, f.now, 0.0, 100.0, exclude_seen);
    REQUIRE_MESSAGE(scored.ok(), scored.status().to_string());
    CHECK(scored->scores.size() == scored->candidates.size());
    CHECK(scored->linear.size() == scored->candidates.size());
    CHECK(scored->model.empty());  // none is in force
    std::string ids;
    for (const auto& near : scored->candidates) ids += scored->index->place(near.row).id.str();
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  CHECK(candidates("u", false) == "ab");
  CHECK(candidates("u", true) == "b");
  CHECK(candidates("nobody", true) == "ab");
}

TEST_CASE("an engine does not open with a broken ranker") {
  const Fixture f;
  const test::TemporaryFolder folder;
  write(folder.path() + "/model.toml", shipped_with("near = 1.2989130020141602", "near = nan"));
  RankingOptions options;
  options.ranker_dir = folder.path();
  const auto recommender = Recommender::create(*f.state, options);
  CHECK(recommender.status().code() == StatusCode::kInvalidArgument);
  CHECK(recommender.status().message() == folder.path() + "/model.toml:25: near is not finite");
}

}  // namespace
