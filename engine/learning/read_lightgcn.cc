#include <charconv>
#include <functional>

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

/// An unsigned integer as decimal text without leading zeros, in a buffer that lives as long as this.
class Number {
 public:
  [[nodiscard]] bool parse(std::string_view token) noexcept {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (error != std::errc() || end != token.data() + token.size()) return false;
    size_ = static_cast<std::size_t>(std::to_chars(text_, text_ + sizeof text_, value).ptr - text_);
    return true;
  }
  [[nodiscard]] std::string_view text() const noexcept { return {text_, size_}; }

 private:
  char text_[20];
  std::size_t size_ = 0;
};

LineFault take_line(std::string_view line, InteractionsBuilder* builder) {
  Number user;
  Number item;
  const std::string_view first = next_token(&line);
  if (first.empty()) return {};
  if (!user.parse(first)) return "user " + shown(first) + " is not an unsigned integer";
  builder->add_user(user.text());
  for (std::string_view token = next_token(&line); !token.empty(); token = next_token(&line)) {
    if (!item.parse(token)) return "item " + shown(token) + " is not an unsigned integer";
    builder->add(user.text(), item.text());
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
