#include <string>
#include <utility>
#include <vector>

#include "engine/config/quantity.h"
#include "engine/config/sections/bounds.h"
#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

std::string listen_complaint(const Value& value) {
  const auto listen = parse_listen(std::get<std::string>(value));
  return listen.ok() ? "" : listen.status().message();
}

/// One key for two fields: the address and the port.
Key<Config> listen_key() {
  Key<Config> key;
  static_cast<KeyInfo&>(key) = {
      .name = "listen",
      .type = KeyType::kText,
      .doc =
          "Numeric address (or localhost: 127.0.0.1) and port of the HTTP API. Port 0 takes any free "
          "one.",
      .complaint = listen_complaint};
  key.get = [](const Config& config) { return Value(format_listen({config.http.address, config.http.port})); };
  key.set = [](Config& config, const Value& value) {
    const ListenAddress listen = parse_listen(std::get<std::string>(value)).value();
    config.http.address = listen.address;
    config.http.port = listen.port;
  };
  return key;
}

/// A name as it stands in a Host header, without its port: letters, digits, '.', '-', '_', or an IPv6 address in
/// brackets.
bool is_host_name(const std::string& name) {
  if (name.starts_with('[')) return name.ends_with(']') && matches(name, 64, "[", "a0A:.]");
  return matches(name, 253, "aA0_", "aA0.-_");
}

std::string hosts_complaint(const Value& value) {
  for (const std::string& name : std::get<std::vector<std::string>>(value)) {
    if (is_host_name(name)) continue;
    return quoted(name) + " is no host's name; write it without scheme and port, such as \"cairn.example.com\"";
  }
  return {};
}

std::vector<Key<Config>> http_limit_keys() {
  return {
      make_key<Config>(CAIRN_AT(http.header_bytes_max), {.name = "header_max",
                                                         .type = KeyType::kSize,
                                                         .doc = "Largest request header.",
                                                         .min = kKiB,
                                                         .max = 64 * kKiB}),
      make_key<Config>(
          CAIRN_AT(http.body_bytes_max),
          {.name = "body_max", .type = KeyType::kSize, .doc = "Largest request body.", .min = kKiB, .max = 256 * kMiB}),
      make_key<Config>(CAIRN_AT(http.connections_max), {.name = "connections_max",
                                                        .type = KeyType::kInteger,
                                                        .doc = "Most connections at a time; one address may hold "
                                                               "three quarters of them. Beyond it the one that has "
                                                               "waited longest for a request is closed.",
                                                        .min = 1,
                                                        .max = 65'536}),
      make_key<Config>(CAIRN_AT(http.memory_bytes_max),
                       {.name = "memory_max",
                        .type = KeyType::kSize,
                        .doc = "Memory for all that clients can make the server hold: connections (8KiB each), "
                               "unfinished requests, bodies, answers not sent yet. Beyond it requests are refused.",
                        .min = kMiB,
                        .max = kTiB}),
      make_key<Config>(CAIRN_AT(http.compress),
                       {.name = "compress",
                        .type = KeyType::kBool,
                        .doc = "Send answers compressed (gzip, br) to clients that ask for it."}),
      make_key<Config>(CAIRN_AT(http.compress_bytes_min), {.name = "compress_min",
                                                           .type = KeyType::kSize,
                                                           .doc = "Smallest answer that is worth compressing.",
                                                           .min = 1,
                                                           .max = kGiB}),
      make_key<Config>(CAIRN_AT(http.list_max_age),
                       {.name = "list_max_age",
                        .type = KeyType::kDuration,
                        .doc = "For how long a client may use an answer for nobody in particular (GET "
                               "/v1/recommendations) without asking again. 0s here and in the next key: it asks each "
                               "time whether it is still the same.",
                        .min = 0,
                        .max = 24 * kHour}),
      make_key<Config>(CAIRN_AT(http.list_shared_max_age),
                       {.name = "list_shared_max_age",
                        .type = KeyType::kDuration,
                        .doc = "The same for a cache that many clients share, such as a CDN's.",
                        .min = 0,
                        .max = 24 * kHour}),
      make_key<Config>(CAIRN_AT(http.list_stale),
                       {.name = "list_stale",
                        .type = KeyType::kDuration,
                        .doc = "For so long after that a cache may give such an answer while "
                               "it asks for a new one. 0s: not.",
                        .min = 0,
                        .max = 24 * kHour}),
      make_key<Config>(CAIRN_AT(http.place_max_age), {.name = "place_max_age",
                                                      .type = KeyType::kDuration,
                                                      .doc = "For how long clients and caches may use a place (GET "
                                                             "/v1/places/ID) without asking again.",
                                                      .min = 0,
                                                      .max = 24 * kHour}),
      make_key<Config>(CAIRN_AT(http.request_timeout),
                       {.name = "request_timeout",
                        .type = KeyType::kDuration,
                        .doc = "Longest time for reading one request, and for writing its answer.",
                        .min = 10,
                        .max = 5 * kMinute}),
      make_key<Config>(CAIRN_AT(http.idle_timeout), {.name = "idle_timeout",
                                                     .type = KeyType::kDuration,
                                                     .doc = "A connection without a request for this long is closed.",
                                                     .min = kSecond,
                                                     .max = kHour}),
      make_key<Config>(CAIRN_AT(http.drain_timeout),
                       {.name = "drain_timeout",
                        .type = KeyType::kDuration,
                        .doc = "Longest time that a stop waits for requests in flight; then they get 503.",
                        .min = 0,
                        .max = 5 * kMinute}),
      make_key<Config>(
          CAIRN_AT(http.drain_idle),
          {.name = "drain_idle",
           .type = KeyType::kDuration,
           .doc = "Of drain_timeout, how long a stop leaves connections open that are between requests, for "
                  "one that is on its way.",
           .min = 0,
           .max = kMinute}),
  };
}

}  // namespace

Section http_section() {
  Section section{
      "http",
      "The HTTP API and metrics.",
      {
          listen_key(),
          make_key<Config>(CAIRN_AT(http.allow_remote),
                           {.name = "allow_remote",
                            .type = KeyType::kBool,
                            .doc = "Needed to listen beyond this machine. The API asks nobody for a "
                                   "password: put a proxy that does in front of it."}),
          make_key<Config>(CAIRN_AT(http.hosts),
                           {.name = "hosts",
                            .type = KeyType::kTextList,
                            .doc = "Names under which clients may call the server (the Host header), without port. On "
                                   "a loopback address localhost, 127.0.0.1 and [::1] are allowed besides; on another "
                                   "address an empty list allows every name.",
                            .example = "[\"cairn.example.com\"]",
                            .complaint = hosts_complaint}),
          make_key<Config>(CAIRN_AT(http.threads), {.name = "threads",
                                                    .type = KeyType::kInteger,
                                                    .doc = "Threads that serve connections; handlers have their own.",
                                                    .min = 1,
                                                    .max = 256}),
          make_key<Config>(CAIRN_AT(http.reads), {.name = "reads",
                                                  .type = KeyType::kInteger,
                                                  .doc = "Recommendations and features that are under way at a time, "
                                                         "each on a thread; more of them wait. Batches "
                                                         "([batching] size) are no larger. Half of them may wait "
                                                         "for a min_offset.",
                                                  .min = 1,
                                                  .max = 4096}),
          make_key<Config>(CAIRN_AT(http.reads_queue),
                           {.name = "reads_queue",
                            .type = KeyType::kInteger,
                            .doc = "How many of them may wait for a thread; those beyond are answered 503 at once. The "
                                   "longer it is, the longer those wait who are answered under more load than there is "
                                   "capacity for.",
                            .min = 1,
                            .max = 1'048'576}),
      }};
  for (Key<Config>& key : http_limit_keys()) section.keys.push_back(std::move(key));
  return section;
}

}  // namespace cairn::config
