#include "engine/serving/http/header_block.h"

#include <doctest/doctest.h>

#include <string>

using namespace cairn;
using namespace cairn::serving;

namespace {

/// The framing of a header with these fields, "" for a refused one, else "none", "chunked" or the length.
std::string framing_of(const std::string& fields, const std::string& version = "1.1") {
  const auto framing = read_framing("POST / HTTP/" + version + "\r\nHost: t\r\n" + fields + "\r\n");
  if (!framing.ok()) return "";
  if (framing->kind == Framing::Kind::kChunked) return "chunked";
  return framing->kind == Framing::Kind::kNone ? "none" : std::to_string(framing->length);
}

}  // namespace

TEST_SUITE_BEGIN("header_block");

TEST_CASE("a header ends at its empty line, however its bytes come") {
  const std::string header = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
  const std::string bytes = header + "GET /next";
  CHECK(find_header_end(bytes, 0)->value() == header.size());
  for (std::size_t checked = 0; checked < header.size(); ++checked) {
    CHECK_FALSE(find_header_end(header.substr(0, checked), 0)->has_value());
    CHECK(find_header_end(bytes, checked)->value() == header.size());
  }
}

TEST_CASE("controls and line ends that are half are refused as soon as they come") {
  for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\nX: a\0b", 22), std::string("GET / HTTP/1.1\n"),
                                  std::string("GET / HTTP/1.1\r\nX: a\rb"), std::string("\x16\x03\x01"),
                                  std::string("GET / HTTP/1.1\r\nX: a\x7f"), std::string("\nGET")}) {
    CAPTURE(bytes);
    CHECK(find_header_end(bytes, 0).status().code() == StatusCode::kInvalidArgument);
  }
  CHECK(find_header_end("GET / HTTP/1.1\r\nX: \tt\xc3\xa9\r", 0).ok());  // a tab, UTF-8, and a line end to come
  CHECK_FALSE(find_header_end("GET / HTTP/1.1\r\nX: a\rb", 21).ok());    // the CR was seen before what follows it
}

TEST_CASE("what follows a header is none of it") {
  const std::string header = "POST / HTTP/1.1\r\n\r\n";
  CHECK(find_header_end(header + std::string("\0\n\r", 3), 0)->value() == header.size());
}

TEST_CASE("a body is delimited by one length, by chunks, or not at all") {
  CHECK(framing_of("") == "none");
  CHECK(framing_of("Content-Length: 0\r\n") == "none");
  CHECK(framing_of("content-length:  12 \r\n") == "12");
  CHECK(framing_of("Content-Length: 18446744073709551615\r\n") == "18446744073709551615");
  CHECK(framing_of("Transfer-Encoding: Chunked\r\n") == "chunked");
  CHECK(framing_of("X: Content-Length: 5\r\n") == "none");
}

TEST_CASE("a framing that leaves a doubt is refused") {
  for (const char* fields : {
           "Content-Length: 3\r\nContent-Length: 3\r\n",
           "Content-Length: 3, 3\r\n",
           "Content-Length: +3\r\n",
           "Content-Length: -3\r\n",
           "Content-Length: 0x3\r\n",
           "Content-Length: 3 4\r\n",
           "Content-Length:\r\n",
           "Content-Length: 18446744073709551616\r\n",
           "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: identity\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Transfer-Encoding: gzip, chunked\r\n",
           "Transfer-Encoding: chunked, chunked\r\n",
           "Transfer-Encoding: chunked;q=1\r\n",
           "Transfer-Encoding:\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n",
           "Transfer-Encoding : chunked\r\n",
           "Content-Length : 3\r\n",
           "X: a\r\n b\r\n",
           "X: a\r\n\tTransfer-Encoding: chunked\r\n",
           "no colon\r\n",
           ": no name\r\n",
       }) {
    CAPTURE(fields);
    CHECK(framing_of(fields) == "");
  }
  CHECK(framing_of("Transfer-Encoding: chunked\r\n", "1.0") == "");
  CHECK(framing_of("Content-Length: 3\r\n", "1.0") == "3");
}

TEST_SUITE_END();
