#include <doctest/doctest.h>

#include <random>
#include <regex>
#include <sstream>

#include "tests/engine/config/check_text.h"

namespace cairn::config::test {
namespace {

constexpr int kMutants = 200;

/// A file that sets most kinds of things, so that a mutation has something to break.
std::string rich_text() {
  return R"([state]
dir = "/var/lib/cairn"
block_cache = "256MiB"
batch_wait_max = "20ms"
sync = true
[decode]
time_min = 2000-01-01
[types]
declared = ["book", "share"]
[sql]
dsn = "host=/run/postgresql dbname=cairn"
[kafka]
brokers = "kafka-1:9092,kafka-2:9092"
topic = "interactions"
[kafka.properties]
"fetch.wait.max.ms" = 100
[[file]]
name = "events"
path = "/var/log/app/events.ndjson"
[[feature_view]]
name = "user_place_affinity"
dimension = "place"
aggregate = "decayed_sum"
half_life = "30d"
events = { visit = "1", save = 3, rate = "value - 2.5" }
[ranking]
radius_default = "50km"
[ranking.weights]
distance = -0.5
[http]
listen = "127.0.0.1:7077"
[log]
level = "info"
)";
}

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

void flip_byte(Random& random, std::string* text) {
  (*text)[below(random, text->size())] = static_cast<char>(random() & 0xFF);
}
void erase_range(Random& random, std::string* text) { text->erase(below(random, text->size()), 1 + below(random, 40)); }
void insert_token(Random& random, std::string* text) {
  constexpr std::string_view kTokens[] = {"[",
                                          "]",
                                          "[[",
                                          "=",
                                          "\"",
                                          "\"\"\"",
                                          "{",
                                          "}",
                                          "\n",
                                          ".",
                                          "#",
                                          "true",
                                          "-1",
                                          "1e999",
                                          "nan",
                                          "2000-01-01",
                                          "\\u0",
                                          ",",
                                          "'",
                                          "\xff",
                                          "\0",
                                          "99999999999999999999",
                                          "[[[[[[[[[[[[[[[[",
                                          "a.b.c=1\n"};
  text->insert(below(random, text->size()), kTokens[below(random, std::size(kTokens))]);
}
void swap_ranges(Random& random, std::string* text) {
  const std::string piece = text->substr(below(random, text->size()), 1 + below(random, 60));
  text->insert(below(random, text->size()), piece);
}
void cut(Random& random, std::string* text) { text->resize(below(random, text->size())); }

std::string mutant(std::uint64_t seed) {
  Random random(seed);
  std::string text = rich_text();
  const std::size_t steps = 1 + below(random, 4);
  for (std::size_t i = 0; i < steps && !text.empty(); ++i) {
    switch (below(random, 8)) {
      case 0:
      case 1:
      case 2:
        flip_byte(random, &text);
        break;
      case 3:
        erase_range(random, &text);
        break;
      case 4:
      case 5:
        insert_token(random, &text);
        break;
      case 6:
        swap_ranges(random, &text);
        break;
      default:
        cut(random, &text);
    }
  }
  return text;
}

TEST_CASE("the text that is mutated is right to begin with") { CHECK(problems(rich_text()).empty()); }

TEST_CASE("a damaged file is answered with places and messages, never with a crash") {
  const std::regex shape(R"(c\.toml:[1-9][0-9]*:[1-9][0-9]*: [^\n]+)");
  int with_problems = 0;
  for (std::uint64_t seed = 1; seed <= kMutants; ++seed) {
    INFO("seed ", seed);
    const std::string text = mutant(seed);
    const ConfigReport report = check(text);
    with_problems += report.ok() ? 0 : 1;
    std::istringstream lines(report.problems_text());
    const auto line_count = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (std::string line; std::getline(lines, line);) {
      CHECK_MESSAGE(std::regex_match(line, shape), line);
      CHECK_MESSAGE(std::stoi(line.substr(7)) <= line_count, line);
    }
  }
  // Most mutations break something; were nothing found, the check would not be looking.
  CHECK(with_problems > kMutants / 2);
}

TEST_CASE("tables nested a thousand deep are refused, not followed to the end of the stack") {
  CHECK_FALSE(check("a = " + std::string(10'000, '[') + std::string(10'000, ']')).ok());
  CHECK_FALSE(check("[kafka.properties]\nx = " + std::string(5'000, '{')).ok());
  std::string dotted = "a";
  for (int i = 0; i < 200'000; ++i) dotted += ".a";
  CHECK(problems("[kafka.properties]\n" + dotted + " = 1\n") == "c.toml:2:1: this line has more than 1000 dots\n");
  CHECK(problems("[" + dotted + "]\n") == "c.toml:1:1: this line has more than 1000 dots\n");
}

}  // namespace
}  // namespace cairn::config::test
