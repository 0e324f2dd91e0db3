// openapi.json beside what the routes take.

#include <set>

#include "engine/serving/api/handlers.h"
#include "engine/serving/api/routes.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving_test;

TEST_SUITE_BEGIN("api");

TEST_CASE("openapi.json describes exactly the routes") {
  const auto document = nlohmann::json::parse(serving::openapi_document());
  CHECK(document["info"]["version"] == CAIRN_VERSION);
  std::set<std::string> described;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      described.insert(method + " " + path);
      CHECK(operation.contains("operationId"));
      CHECK(operation["responses"].is_object());
    }
  }
  std::set<std::string> served;
  for (const serving::Route& route : serving::routes()) {
    std::string method(route.method);
    std::transform(method.begin(), method.end(), method.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    served.insert(method + " " + std::string(route.pattern));
  }
  CHECK(described == served);
}

TEST_CASE("every reference in openapi.json leads somewhere") {
  const auto document = nlohmann::json::parse(serving::openapi_document());
  const std::function<void(const nlohmann::json&)> visit = [&](const nlohmann::json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string target = node["$ref"];
      CAPTURE(target);
      CHECK(document.contains(nlohmann::json::json_pointer(target.substr(1))));
    }
    if (node.is_structured()) {
      for (const auto& child : node) visit(child);
    }
  };
  visit(document);
}

TEST_CASE_FIXTURE(Serving, "every parameter that openapi.json gives a list is taken, and is one of a body as well") {
  start();
  const auto document = nlohmann::json::parse(serving::openapi_document());
  const auto body = document["components"]["schemas"]["RecommendRequest"]["properties"];
  std::size_t taken = 0;
  for (const auto& parameter : document["paths"]["/v1/recommendations"]["get"]["parameters"]) {
    if (parameter["in"] != "query") continue;
    const std::string name = parameter["name"];
    CAPTURE(name);
    CHECK(body.contains(name));
    const Answer answer = get(port(), "/v1/recommendations?cell=dr5ru&" + name + "=x");
    // Whatever is wrong with the value, the name is none that is not there.
    CHECK(answer.body.find("there is no parameter") == std::string::npos);
    ++taken;
  }
  CHECK(taken >= 15);
  CHECK(get(port(), "/v1/recommendations?cell=dr5ru&wher=x")
            .body.find("there is no parameter 'wher' here; did you mean "
                       "'where'?") != std::string::npos);
}

TEST_CASE_FIXTURE(Serving, "every field that openapi.json gives a recommendation is taken, and no other") {
  start();
  const auto schema = nlohmann::json::parse(serving::openapi_document())["components"]["schemas"]["RecommendRequest"];
  nlohmann::json values = {{"user_id", "u"},
                           {"lat", 1},
                           {"lon", 2},
                           {"cell", "dr5ru"},
                           {"snap", true},
                           {"position_time", 0},
                           {"time", 0},
                           {"limit", 1},
                           {"radius_meters", 1},
                           {"categories", nlohmann::json::array()},
                           {"exclude_categories", {"bar"}},
                           {"where", "price < 3"},
                           {"open_at", "now"},
                           {"open_unknown", true},
                           {"only", {"p1", 2}},
                           {"attributes", true},
                           {"exclude_seen", true},
                           {"exclude", {"p1", 2}},
                           {"rank", nlohmann::json::array()},
                           {"recent", nlohmann::json::array()},
                           {"cursor", ""},
                           {"max_per_category", 0},
                           {"diversity", 0.5},
                           {"segment", 0},
                           {"explore", "ucb"},
                           {"explore_strength", 0.5},
                           {"seed", 7},
                           {"explain", true},
                           {"reasons", "all"},
                           {"language", "de"},
                           {"min_offset", {{"source", "api"}, {"partition", 0}, {"offset", 0}}},
                           {"max_staleness_ms", 0},
                           {"on_stale", "wait"},
                           {"deadline_ms", 5000}};
  for (const auto& [name, ignored] : schema["properties"].items()) CHECK_MESSAGE(values.contains(name), name);
  CHECK(schema["properties"].size() == values.size());
  CHECK(post(port(), "/v1/recommendations", values.dump()).code == 200);
}

TEST_CASE_FIXTURE(Serving, "openapi.json is served") {
  start();
  CHECK(get(port(), "/openapi.json").body == serving::openapi_document());
}

TEST_SUITE_END();
