// Which names the server answers to.
#include "engine/serving/http/headers.h"
#include "tests/engine/serving/server_fixture.h"

using namespace cairn;
using namespace cairn::serving;
using namespace cairn::serving_test;

namespace {

bool allowed(const std::string& address, std::vector<std::string> hosts, std::string_view host) {
  HttpOptions options;
  options.address = address;
  options.hosts = std::move(hosts);
  return HostNames(options).allow(host);
}

}  // namespace

TEST_SUITE_BEGIN("hosts");

TEST_CASE("on a loopback address only this machine's own names are allowed, with any port") {
  for (const char* host : {"localhost", "LocalHost:7077", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:7077"}) {
    CAPTURE(host);
    CHECK(allowed("127.0.0.1", {}, host));
    CHECK(allowed("::1", {}, host));
  }
  for (const char* host : {"evil.example", "evil.example:7077", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           "localhost:evil", "[::1", "[::2]", "localhost@evil.example", "127.0.0.2", "xlocalhost"}) {
    CAPTURE(host);
    CHECK_FALSE(allowed("127.0.0.1", {}, host));
    CHECK_FALSE(allowed("::1", {}, host));
  }
  CHECK(allowed("127.0.0.2", {}, "127.0.0.2:7077"));
  CHECK(allowed("::ffff:127.0.0.1", {}, "localhost"));
  CHECK_FALSE(allowed("::ffff:127.0.0.1", {}, "evil.example"));
}

TEST_CASE("names are added by the configuration, and on another address they are all there are") {
  CHECK(allowed("127.0.0.1", {"cairn.example"}, "Cairn.Example:80"));
  CHECK(allowed("127.0.0.1", {"cairn.example"}, "localhost"));
  CHECK(allowed("0.0.0.0", {}, "anything.example"));
  CHECK(allowed("0.0.0.0", {"cairn.example"}, "cairn.example"));
  CHECK_FALSE(allowed("0.0.0.0", {"cairn.example"}, "evil.example"));
  CHECK_FALSE(allowed("0.0.0.0", {"cairn.example"}, "localhost"));
}

TEST_CASE_FIXTURE(Serving, "a request under a foreign name is refused, and what follows it is not served") {
  start();
  for (const std::string& head : {std::string("GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
                                  std::string("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                  std::string("GET HTTP://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                  std::string("GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n")}) {
    CAPTURE(head);
    RawClient client(port());
    client.send(head + "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const std::string message = check_error(client.read_answer(), 403, "PERMISSION_DENIED");
    CHECK(message.find("evil.example") != std::string::npos);
    CHECK(message.find("http.hosts") != std::string::npos);
    CHECK(client.read_answer().code == 0);
  }
  RawClient own(port());
  for (const std::string scheme : {"http", "HTTP", "hTTp"}) {  // RFC 3986, section 3.1
    own.send("GET " + scheme + "://localhost:7077/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    CHECK(own.read_answer().code == 200);
  }
  RawClient broken(port());
  broken.send("GET /healthz HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n");
  check_error(broken.read_answer(), 403, "PERMISSION_DENIED");
}

TEST_SUITE_END();
