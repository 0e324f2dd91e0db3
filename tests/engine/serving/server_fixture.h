#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/serving/http_server.h"
#include "tests/engine/serving/fake_engine.h"
#include "tests/engine/serving/raw_client.h"
#include "tests/support/mentions.h"

namespace cairn::serving_test {

/// A server over a FakeEngine on a free port. Answers are judged by nlohmann's parser.
struct Serving {
  FakeEngine engine;
  Gate gate;  // for handlers; outlives the server, whose threads may still be leaving it
  std::unique_ptr<serving::HttpServer> server;

  void start(HttpOptions options = {}) {
    options.port = 0;
    options.hosts.insert(options.hosts.end(), {"t", "test"});  // what the tests' clients call it
    auto started = serving::HttpServer::start(std::move(options), engine);
    REQUIRE_MESSAGE(started.ok(), started.status().to_string());
    server = std::move(started).value();
  }
  [[nodiscard]] std::uint16_t port() const { return server->port(); }
};

using test::mentions;

inline Answer post_lines(std::uint16_t port, std::string_view target, std::string_view body) {
  return request(port, "POST", target, body, "Content-Type: application/x-ndjson; charset=utf-8\r\n");
}

inline nlohmann::json json_of(const Answer& answer) {
  INFO("body ", answer.body);
  auto parsed = nlohmann::json::parse(answer.body, nullptr, false);
  REQUIRE(!parsed.is_discarded());
  return parsed;
}

/// The answer is the error object with this HTTP code and gRPC code; returns its message.
inline std::string check_error(const Answer& answer, int http_code, const std::string& code) {
  INFO("body ", answer.body);
  CHECK(answer.code == http_code);
  const auto body = json_of(answer);
  REQUIRE(body.contains("error"));
  CHECK(body["error"]["code"] == code);
  CHECK(answer.headers.at("content-type") == "application/json");
  return body["error"]["message"];
}

}  // namespace cairn::serving_test
