#include <functional>

#include "cairn/ids.h"
#include "cairn/utf8.h"
#include "engine/learning/interactions.h"
#include "engine/learning/text_lines.h"

namespace cairn::learning {
namespace {

constexpr std::string_view kBlanks = " \t\r";

/// Cuts the next token off `*rest`; empty at the end of the line.
std::string_view next_token(std::string_view* rest) {
  const std::size_t begin = rest->find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return *rest = {};
  rest->remove_prefix(begin);
  const std::string_view token = rest->substr(0, rest->find_first_of(kBlanks));
  rest->remove_prefix(token.size());
  return token;
}

/// What is wrong with an id; empty: nothing.
LineFault fault_of(const char* what, std::string_view id) {
  if (!is_utf8(id)) return std::string(what) + " " + shown(id) + " is no UTF-8; convert the file with iconv";
  if (!valid_id(id)) return std::string(what) + " " + shown(id) + " is longer than 128 bytes";
  return {};
}

LineFault take_line(std::string_view line, InteractionsBuilder* builder) {
  const std::string_view user = next_token(&line);
  if (user.empty()) return {};
  if (user.starts_with('{') || user.starts_with('[')) {
    return shown(user) + " begins like JSON, and a user and items between blanks are expected; events go to --events";
  }
  if (LineFault fault = fault_of("user", user); !fault.empty()) return fault;
  if (user.find(',') != std::string_view::npos && line.find_first_not_of(kBlanks) == std::string_view::npos) {
    return shown(user) + " is one word with commas; a user and items stand between blanks";
  }
  builder->add_user(user);
  for (std::string_view item = next_token(&line); !item.empty(); item = next_token(&line)) {
    if (LineFault fault = fault_of("item", item); !fault.empty()) return fault;
    builder->add(user, item);
  }
  return {};
}

}  // namespace

Result<Interactions> read_lightgcn(std::span<const std::string> files) {
  InteractionsBuilder builder;
  for (const std::string& file : files) {
    CAIRN_RETURN_IF_ERROR(for_each_line(file, [&](std::string_view line) { return take_line(line, &builder); }));
  }
  return std::move(builder).finish();
}

}  // namespace cairn::learning
