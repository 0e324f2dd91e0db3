#include "engine/config/redact.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>

namespace cairn::config {
namespace {

constexpr std::string_view kHarmless[] = {"application_name",
                                          "channel_binding",
                                          "client_encoding",
                                          "connect_timeout",
                                          "dbname",
                                          "gssencmode",
                                          "host",
                                          "hostaddr",
                                          "keepalives",
                                          "keepalives_count",
                                          "keepalives_idle",
                                          "keepalives_interval",
                                          "port",
                                          "sslmode",
                                          "sslrootcert",
                                          "target_session_attrs",
                                          "tcp_user_timeout",
                                          "user"};

bool harmless(std::string_view keyword, std::string_view value) {
  const bool known = std::find(std::begin(kHarmless), std::end(kHarmless), keyword) != std::end(kHarmless);
  // libpq takes a whole connection string as dbname in some calls.
  return known && value.find_first_of("=@") == std::string_view::npos && value.find("://") == std::string_view::npos;
}

// Known, and not to be shown.
constexpr std::string_view kSecretKeywords[] = {
    "options", "passfile", "password",    "replication", "requirepeer",    "service", "sslcert",
    "sslcrl",  "sslkey",   "sslpassword", "krbsrvname",  "sslcompression", "gsslib"};

/// A keyword that is none of libpq's may be part of a secret that was written without its quotes.
std::string_view shown_keyword(std::string_view keyword) {
  const bool known =
      std::find(std::begin(kHarmless), std::end(kHarmless), keyword) != std::end(kHarmless) ||
      std::find(std::begin(kSecretKeywords), std::end(kSecretKeywords), keyword) != std::end(kSecretKeywords);
  return known ? keyword : kRedacted;
}

/// "a=b&c=d".
std::string redact_query(std::string_view query) {
  std::string out;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view keyword = pair.substr(0, std::min(equals, pair.size()));
    const bool shown = equals != std::string_view::npos && harmless(keyword, pair.substr(equals + 1));
    out += out.empty() ? "" : "&";
    out += shown ? std::string(pair) : std::string(shown_keyword(keyword)) + "=" + std::string(kRedacted);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
}

std::string redact_uri(std::string_view scheme, std::string_view rest) {
  std::string out(scheme);
  // Up to the last '@', so that one inside a carelessly written password hides too much rather than too little.
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view user_info = rest.substr(0, at);
    // An '@' behind the place of the path belongs to something that was not written as it should be.
    if (user_info.find_first_of("/?") != std::string_view::npos) return out + std::string(kRedacted);
    const std::size_t colon = user_info.find(':');
    out += user_info.substr(0, std::min(colon, user_info.size()));
    if (colon != std::string_view::npos) out += ":" + std::string(kRedacted);
    out += "@";
    rest.remove_prefix(at + 1);
  }
  const std::size_t question = std::min(rest.find('?'), rest.size());
  out += rest.substr(0, question);
  if (question < rest.size()) out += "?" + redact_query(rest.substr(question + 1));
  return out;
}

bool blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

void skip_blanks(std::string_view* text) {
  while (!text->empty() && blank(text->front())) text->remove_prefix(1);
}

/// The raw text of a value (libpq's rules: blanks end it unless quoted, a backslash takes the next character).
std::optional<std::string_view> take_value(std::string_view* text) {
  const bool quoted = !text->empty() && text->front() == '\'';
  std::size_t i = quoted ? 1 : 0;
  while (i < text->size() && (quoted ? (*text)[i] != '\'' : !blank((*text)[i]))) i += (*text)[i] == '\\' ? 2 : 1;
  if (i > text->size() || (quoted && i == text->size())) return std::nullopt;
  const std::size_t end = quoted ? i + 1 : i;
  const std::string_view value = text->substr(0, end);
  text->remove_prefix(end);
  return value;
}

std::optional<std::string> redact_keywords(std::string_view text) {
  std::string out;
  for (skip_blanks(&text); !text.empty(); skip_blanks(&text)) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view keyword = text.substr(0, equals);
    while (!keyword.empty() && blank(keyword.back())) keyword.remove_suffix(1);
    if (keyword.empty() || std::any_of(keyword.begin(), keyword.end(), blank)) return std::nullopt;
    text.remove_prefix(equals + 1);
    skip_blanks(&text);
    const std::optional<std::string_view> value = take_value(&text);
    if (!value) return std::nullopt;
    out += out.empty() ? "" : " ";
    out += std::string(shown_keyword(keyword)) + "=" + std::string(harmless(keyword, *value) ? *value : kRedacted);
  }
  return out;
}

}  // namespace

std::string without_passwords(std::string text) {
  constexpr std::string_view kEnds = " \t\n'\"";
  for (const std::string_view word : {"password=", "passwd=", "pwd="}) {
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) {
      std::size_t begin = at + word.size();
      if (begin < text.size() && text[begin] == '\'') ++begin;
      const std::size_t end = std::min(text.find_first_of(kEnds, begin), text.size());
      if (end > begin) text.replace(begin, end - begin, kRedacted);
    }
  }
  for (std::size_t at = 0; (at = text.find("://", at)) != std::string::npos; at += 3) {
    const std::size_t end = std::min(text.find_first_of(kEnds, at), text.size());
    const std::size_t sign = text.rfind('@', end);
    const std::size_t colon = text.find(':', at + 3);
    if (sign == std::string::npos || sign < at || colon >= sign) continue;
    text.replace(colon + 1, sign - colon - 1, kRedacted);
  }
  return text;
}

std::string redact_dsn(std::string_view dsn) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"}) {
    if (dsn.starts_with(scheme)) return redact_uri(scheme, dsn.substr(scheme.size()));
  }
  return redact_keywords(dsn).value_or(std::string(kRedacted));
}

}  // namespace cairn::config
