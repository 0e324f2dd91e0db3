#include "engine/serving/json/value.h"

namespace cairn::serving::json {
namespace {

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Status unbalanced(std::size_t at, std::string_view what) {
  return invalid_argument("the JSON array is malformed at byte " + std::to_string(at) + ": " + std::string(what));
}

/// Walks an array's text and reports where its top-level elements begin and end.
class ArrayScanner {
 public:
  explicit ArrayScanner(std::string_view text) : text_(text) {}

  Result<std::vector<std::string_view>> run() {
    if (text_.empty() || text_.front() != '[') return unbalanced(0, "'[' expected");
    for (at_ = 0; at_ < text_.size(); ++at_) {
      CAIRN_RETURN_IF_ERROR(step(text_[at_]));
      if (closers_.empty()) return finish();
    }
    return unbalanced(text_.size(), in_string_ ? "a string does not end" : "a bracket is not closed");
  }

 private:
  Status step(char c) {
    if (in_string_) {
      if (c == '\\') ++at_;
      if (c == '"') in_string_ = false;
      return {};
    }
    if (c == '"') in_string_ = true;
    if (c == '[' || c == '{') return open(c);
    if (c == ']' || c == '}') return close(c);
    if (c == ',' && closers_.size() == 1) return end_element();
    return {};
  }

  Status open(char c) {
    if (closers_.empty()) begin_ = at_ + 1;
    closers_ += c == '[' ? ']' : '}';
    return {};
  }

  Status close(char c) {
    if (closers_.back() != c) return unbalanced(at_, "bracket of another kind than the one it closes");
    closers_.pop_back();
    if (!closers_.empty()) return {};
    const bool empty_array = elements_.empty() && trim(text_.substr(begin_, at_ - begin_)).empty();
    return empty_array ? Status() : end_element();
  }

  Status end_element() {
    const std::string_view element = trim(text_.substr(begin_, at_ - begin_));
    if (element.empty()) return unbalanced(at_, "an element is missing");
    elements_.push_back(element);
    begin_ = at_ + 1;
    return {};
  }

  Result<std::vector<std::string_view>> finish() {
    if (at_ + 1 != text_.size()) return unbalanced(at_ + 1, "bytes after the array");
    return std::move(elements_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t begin_ = 0;
  bool in_string_ = false;
  std::string closers_;  // what closes each open bracket, outermost first
  std::vector<std::string_view> elements_;
};

}  // namespace

std::string_view Value::kind() const noexcept {
  constexpr std::string_view kKinds[] = {"null",     "a boolean", "an integer", "an integer",
                                         "a number", "a string",  "an array",   "an object"};
  return kKinds[data.index()];
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

Result<std::vector<std::string_view>> split_array(std::string_view text) { return ArrayScanner(trim(text)).run(); }

}  // namespace cairn::serving::json
