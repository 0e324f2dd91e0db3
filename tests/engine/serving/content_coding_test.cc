// Answers compressed: who gets which coding (RFC 9110, sections 8.4 and 12.5.3), and that it is the same answer. zlib
// and curl are the judges.
#include <zlib.h>

#include <array>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/serving/http/content_coding.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;

namespace {

#ifdef CAIRN_HAVE_BROTLI
constexpr bool kBrotli = true;
#else
constexpr bool kBrotli = false;
#endif

/// The content of a gzip stream; fails the test when it is none.
std::string gunzipped(const std::string& bytes) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(16u << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int end = inflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  const auto left = stream.avail_in;
  inflateEnd(&stream);
  REQUIRE(end == Z_STREAM_END);
  REQUIRE(left == 0);
  return out;
}

Answer ask(const Serving& serving, const std::string& target, const std::string& accept,
           const std::string& method = "GET") {
  RawClient client(serving.port());
  const std::string field = accept.empty() ? "" : "Accept-Encoding: " + accept + "\r\n";
  REQUIRE(client.send(method + " " + target + " HTTP/1.1\r\nHost: t\r\n" + field + "\r\n"));
  return client.read_answer(method == "HEAD");
}

std::string coding_of(const Answer& answer) {
  const auto found = answer.headers.find("content-encoding");
  return found == answer.headers.end() ? "identity" : found->second;
}

std::string coding_of(const AcceptedCodings& accepted) {
  if (!accepted.any()) return "none";
  return std::string(name_of(accepted.best)) + (accepted.identity ? "" : " only");
}

/// Standard output of a shell's command.
std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  REQUIRE(pipe);
  std::string out;
  std::array<char, 4096> buffer{};
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) {
    out.append(buffer.data(), got);
  }
  return out;
}

}  // namespace

TEST_SUITE_BEGIN("serving");

TEST_CASE("Accept-Encoding is read with its weights, as RFC 9110 has it") {
  struct Vector {
    const char* value;
    const char* coding;
  };
  // The first five are the RFC's own examples, in its order.
  const std::string both = kBrotli ? "br" : "gzip";
  const Vector vectors[] = {
      {"compress, gzip", "gzip"},
      {"", "identity"},
      {"*", both.c_str()},
      {"compress;q=0.5, gzip;q=1.0", "gzip"},
      {"gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"},
      {"gzip", "gzip"},
      {"GZip", "gzip"},
      {"x-gzip", "gzip"},
      {"deflate", "identity"},
      {"gzip;q=0", "identity"},
      {"gzip;q=0.000", "identity"},
      {"gzip;q=0.001", "gzip"},
      {"gzip ; Q=0.5 , deflate", "gzip"},
      {"gzip, br", both.c_str()},
      {"gzip;q=0.5, br;q=0.4", "gzip"},
      {"identity;q=1, gzip;q=0.5", "identity"},
      {"identity;q=0.5, gzip;q=0.5", "gzip"},
      {"identity;q=0, gzip", "gzip only"},
      {"*;q=0, gzip", "gzip only"},
      {"*;q=0, identity", "identity"},
      {"identity;q=0", "none"},
      {"*;q=0", "none"},
      {"identity;q=0, deflate", "none"},
      {"gzip;q=2", "identity"},
      {"gzip;q=1.001", "identity"},
      {"gzip;q=0.1234", "identity"},
      {"gzip;q=", "identity"},
      {"gzip;q=-1", "identity"},
      {"gzip;level=9", "identity"},
      {"gzip;q=0, gzip;q=1", "gzip"},
      {",, ,gzip,", "gzip"},
      {"gzip/1.0", "identity"},
      {"*;q=0.3, gzip;q=0", kBrotli ? "br" : "identity"},
  };
  for (const Vector& vector : vectors) {
    INFO("Accept-Encoding: ", vector.value);
    CHECK(coding_of(read_accept_encoding(vector.value)) == vector.coding);
  }
}

TEST_CASE("whatever stands in Accept-Encoding, nothing is chosen that is not named there") {
  constexpr std::uint32_t kSeed = 71;
  INFO("seed ", kSeed);
  std::mt19937 random(kSeed);
  const std::vector<std::string> words = {"gzip", "br",  "identity", "x", ";", ",",      "=",    "q",    "Q=", "0",
                                          "1",    "0.5", ".",        " ", "*", "0.0000", "\x01", "\xff", "\t"};
  for (int i = 0; i < 20'000; ++i) {
    std::string value;
    for (auto length = random() % 12; length > 0; --length) value += words[random() % words.size()];
    const AcceptedCodings accepted = read_accept_encoding(value);
    INFO("Accept-Encoding: ", value);
    const bool any = value.find('*') != std::string::npos;
    if (accepted.best == Coding::kGzip && value.find("gzip") == std::string::npos) REQUIRE(any);
    if (accepted.best == Coding::kBrotli && value.find("br") == std::string::npos) REQUIRE(any);
    if (!accepted.identity && value.find("identity") == std::string::npos) REQUIRE(any);
  }
}

TEST_CASE_FIXTURE(Serving, "a large answer goes compressed to who asks for it, and is the same answer") {
  start();
  const Answer plain = ask(*this, "/openapi.json", "");
  CHECK(coding_of(plain) == "identity");
  CHECK(plain.headers.at("vary") == "Accept-Encoding");
  const Answer gzip = ask(*this, "/openapi.json", "gzip");
  CHECK(coding_of(gzip) == "gzip");
  CHECK(gzip.headers.at("vary") == "Accept-Encoding");
  CHECK(gzip.headers.at("content-type") == "application/json");
  CHECK(gzip.headers.at("content-length") == std::to_string(gzip.body.size()));
  CHECK(gzip.body.size() < plain.body.size() / 3);
  CHECK(gunzipped(gzip.body) == plain.body);
  if (!kBrotli) return;
  const Answer brotli = ask(*this, "/openapi.json", "gzip, br");
  CHECK(coding_of(brotli) == "br");
  CHECK(brotli.body.size() < plain.body.size() / 3);
}

TEST_CASE_FIXTURE(Serving, "HEAD says of a compressed answer what GET does, and sends no body") {
  start();
  const Answer get = ask(*this, "/openapi.json", "gzip");
  const Answer head = ask(*this, "/openapi.json", "gzip", "HEAD");
  CHECK(coding_of(head) == "gzip");
  CHECK(head.headers.at("content-length") == get.headers.at("content-length"));
  CHECK(head.headers.at("vary") == "Accept-Encoding");
  CHECK(head.body.empty());
  // The connection goes on with the next answer right after it.
  RawClient client(port());
  REQUIRE(
      client.send("HEAD /openapi.json HTTP/1.1\r\nHost: t\r\nAccept-Encoding: gzip\r\n\r\n"
                  "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"));
  CHECK(client.read_answer(true).code == 200);
  CHECK(client.read_answer().code == 200);
}

TEST_CASE_FIXTURE(Serving, "small answers and errors go as they are") {
  start();
  const Answer health = ask(*this, "/healthz", "gzip");
  CHECK(coding_of(health) == "identity");
  CHECK(health.headers.count("vary") == 0);
  const Answer error = ask(*this, "/" + std::string(5000, 'x'), "gzip");
  CHECK(error.code == 404);
  CHECK(coding_of(error) == "identity");
}

TEST_CASE_FIXTURE(Serving,
                  "who forbids identity gets small answers compressed as well, and 406 where nothing is left") {
  start();
  const Answer small = ask(*this, "/healthz", "gzip, identity;q=0");
  CHECK(coding_of(small) == "gzip");
  CHECK(gunzipped(small.body) == ask(*this, "/healthz", "").body);
  const Answer refused = ask(*this, "/healthz", "identity;q=0");
  check_error(refused, 406, "INVALID_ARGUMENT");
  CHECK(refused.headers.at("vary") == "Accept-Encoding");
  check_error(ask(*this, "/openapi.json", "*;q=0"), 406, "INVALID_ARGUMENT");
}

TEST_CASE_FIXTURE(Serving, "several fields of Accept-Encoding are one list") {
  start();
  RawClient client(port());
  REQUIRE(
      client.send("GET /openapi.json HTTP/1.1\r\nHost: t\r\nAccept-Encoding: identity;q=0.5\r\n"
                  "Accept-Encoding: gzip\r\n\r\n"));
  CHECK(coding_of(client.read_answer()) == "gzip");
}

TEST_CASE_FIXTURE(Serving, "the threshold is the configured one, and turned off nothing is compressed") {
  HttpOptions options;
  options.compress_bytes_min = 10;
  start(options);
  CHECK(coding_of(ask(*this, "/v1/status", "gzip")) == "gzip");
  CHECK(ask(*this, "/v1/status", "").headers.at("vary") == "Accept-Encoding");
  server.reset();
  options.compress_bytes_min = 100'000'000;
  start(options);
  CHECK(coding_of(ask(*this, "/openapi.json", "gzip")) == "identity");
  server.reset();
  options = {};
  options.compress = false;
  start(options);
  const Answer off = ask(*this, "/openapi.json", "gzip, br");
  CHECK(coding_of(off) == "identity");
  CHECK(off.headers.count("vary") == 0);
}

TEST_CASE("what does not get smaller, is no text or is no success goes as it is") {
  const AcceptedCodings gzip = read_accept_encoding("gzip");
  const HttpOptions options;
  ApiResponse random = json_response("");
  std::uint64_t state = 1;
  for (int i = 0; i < 4096; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    random.body += static_cast<char>(state >> 56);
  }
  const std::string noise = random.body;
  encode_content(gzip, options, &random);
  CHECK(random.body == noise);
  CHECK(random.content_encoding.empty());
  CHECK(random.varies);
  ApiResponse packed = json_response(std::string(5000, 'a'));
  packed.content_type = "application/gzip";
  encode_content(gzip, options, &packed);
  CHECK(packed.body.size() == 5000);
  CHECK_FALSE(packed.varies);
  for (const int code : {304, 404, 500}) {
    ApiResponse other = json_response(std::string(5000, 'a'), code);
    encode_content(gzip, options, &other);
    CHECK(other.body.size() == 5000);
    CHECK_FALSE(other.varies);
  }
  ApiResponse charset = json_response(std::string(5000, 'a'));
  charset.content_type = "text/plain; version=0.0.4; charset=utf-8";
  encode_content(gzip, options, &charset);
  CHECK(gunzipped(charset.body) == std::string(5000, 'a'));
}

TEST_CASE("an answer of exactly the threshold is compressed, one byte less is not") {
  const HttpOptions options;
  for (const std::size_t size : {options.compress_bytes_min - 1, options.compress_bytes_min}) {
    ApiResponse response = json_response(std::string(size, 'a'));
    encode_content(read_accept_encoding("gzip"), options, &response);
    CHECK(response.content_encoding.empty() == (size < options.compress_bytes_min));
  }
}

TEST_CASE_FIXTURE(Serving, "curl reads what it asks for compressed") {
  start();
  const std::string url = "http://127.0.0.1:" + std::to_string(port()) + "/openapi.json";
  const std::string plain = output_of("curl -sS " + url);
  REQUIRE(plain.size() > 10'000);
  CHECK(output_of("curl -sS --compressed " + url) == plain);
  for (const std::string& coding :
       kBrotli ? std::vector<std::string>{"gzip", "br"} : std::vector<std::string>{"gzip"}) {
    INFO(coding);
    CHECK(output_of("curl -sS --compressed -H 'Accept-Encoding: " + coding + "' " + url) == plain);
    const std::string head = output_of("curl -sSI -H 'Accept-Encoding: " + coding + "' " + url);
    CHECK(head.find("Content-Encoding: " + coding + "\r\n") != std::string::npos);
  }
}

TEST_SUITE_END();
