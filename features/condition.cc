#include "features/condition.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "cairn/utf8.h"

namespace cairn::features {

namespace {

constexpr std::size_t kValuesMax = 4096;

bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool continues_word(char c) { return begins_word(c) || (c >= '0' && c <= '9') || c == ':' || c == '.' || c == '-'; }

void append_utf8(unsigned code, std::string* out) {
  const auto byte = [out](unsigned value) { out->push_back(static_cast<char>(value)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0U | code >> 6U);
  } else {
    if (code < 0x10000) {
      byte(0xE0U | code >> 12U);
    } else {
      byte(0xF0U | code >> 18U);
      byte(0x80U | (code >> 12U & 0x3FU));
    }
    byte(0x80U | (code >> 6U & 0x3FU));
  }
  byte(0x80U | (code & 0x3FU));
}

}  // namespace

/// Descends by precedence: or, and, not, one test.
class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : text_(text) {}

  Result<Condition> read() {
    if (text_.size() > Condition::kBytesMax) return invalid_argument("a condition has at most 8,192 bytes");
    if (!is_utf8(text_) || text_.find('\0') != std::string_view::npos) {
      return invalid_argument("a condition is UTF-8 without NUL");
    }
    Condition condition;
    skip_spaces();
    if (read_any(&condition, 0) && !at_end()) expect("'and', 'or' or the end", after_word());
    if (!problem_.empty()) return invalid_argument(problem_);
    return condition;
  }

 private:
  using Kind = Condition::Kind;
  using Is = AttributeTest::Is;

  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] char look(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void skip_spaces() {
    while (look() == ' ' || look() == '\t' || look() == '\n' || look() == '\r') ++at_;
  }
  [[nodiscard]] std::string_view word() const {
    if (!begins_word(look())) return {};
    std::size_t size = 1;
    while (at_ + size < text_.size() && continues_word(text_[at_ + size])) ++size;
    return text_.substr(at_, size);
  }
  /// Keywords are known in small letters and in capitals.
  [[nodiscard]] bool keyword_ahead(std::string_view keyword) const {
    const std::string_view found = word();
    if (found.size() != keyword.size()) return false;
    bool small = true;
    bool capital = true;
    for (std::size_t i = 0; i < keyword.size(); ++i) {
      small = small && found[i] == keyword[i];
      capital = capital && found[i] == keyword[i] - 32;
    }
    return small || capital;
  }
  bool take_keyword(std::string_view keyword) {
    if (!keyword_ahead(keyword)) return false;
    at_ += keyword.size();
    skip_spaces();
    return true;
  }
  bool take(std::string_view sign) {
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    skip_spaces();
    return true;
  }
  bool refuse(const std::string& what) {
    if (problem_.empty()) problem_ = "column " + std::to_string(at_ + 1) + ": " + what;
    return false;
  }
  /// `advice`: what to do, behind a semicolon; may be empty.
  bool expect(const std::string& what, std::string_view advice = {}) {
    return refuse(what + " is expected" + (advice.empty() ? "" : "; " + std::string(advice)));
  }
  /// What may be wrong with what follows a value that stands without quotes.
  [[nodiscard]] std::string_view after_word() const {
    return at_ == word_end_ && !at_end() ? "a text that is no single word stands in quotes: 'two words'" : "";
  }
  /// Quotes as they come out of word processors. Where one is read as the first letter of a word, nothing is found.
  bool refuse_curly_quote() {
    static constexpr std::string_view kCurly[] = {"\u2018", "\u2019", "\u201A", "\u201B", "\u201C", "\u201D",
                                                  "\u201E", "\u201F", "\u00AB", "\u00BB", "\u2039", "\u203A",
                                                  "\u2032", "\u2033", "\u00B4", "\uFF02", "\uFF07"};
    for (const std::string_view quote : kCurly) {
      if (!text_.substr(at_).starts_with(quote)) continue;
      refuse(std::string(quote) + " is no quote here; write ' or \" before and after a text");
      return true;
    }
    return false;
  }

  bool read_any(Condition* out, std::size_t depth) {
    return read_joined("or", Kind::kAny, out, [&](Condition* part) { return read_all(part, depth); });
  }
  bool read_all(Condition* out, std::size_t depth) {
    return read_joined("and", Kind::kAll, out, [&](Condition* part) { return read_not(part, depth); });
  }
  template <class ReadPart>
  bool read_joined(std::string_view keyword, Kind kind, Condition* out, ReadPart read_part) {
    Condition first;
    if (!read_part(&first)) return false;
    if (!keyword_ahead(keyword)) {
      *out = std::move(first);
      return true;
    }
    out->kind_ = kind;
    out->parts_.push_back(std::move(first));
    while (take_keyword(keyword)) {
      if (!read_part(&out->parts_.emplace_back())) return false;
    }
    return true;
  }
  bool read_not(Condition* out, std::size_t depth) {
    if (depth > Condition::kDepthMax) return refuse("a condition is nested at most 32 deep");
    if (take_keyword("not")) {
      out->kind_ = Kind::kNot;
      return read_not(&out->parts_.emplace_back(), depth + 1);
    }
    if (!take("(")) return read_test(out);
    return read_any(out, depth + 1) && (take(")") || expect("')'", after_word()));
  }

  bool read_test(Condition* out) {
    if (++tests_ > Condition::kTestsMax) return refuse("a condition has at most 128 tests");
    AttributeTest test;
    if (!read_name(&test.name)) return false;
    const bool found = read_comparison(&test) || read_membership(&test) || read_presence(&test);
    if (!problem_.empty()) return false;
    if (!found) test.values.emplace_back(true);
    if (negated_) {
      negated_ = false;
      out->kind_ = Kind::kNot;
      out->parts_.emplace_back().test_ = std::move(test);
    } else {
      out->test_ = std::move(test);
    }
    return true;
  }
  bool read_name(std::string* name) {
    if (look() == '`') {
      const std::size_t end = text_.find('`', at_ + 1);
      if (end == std::string_view::npos || end == at_ + 1) return expect("a name and a second backquote");
      *name = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      skip_spaces();
      return true;
    }
    if (refuse_curly_quote()) return false;
    const std::string_view found = word();
    if (found.empty() || keyword_ahead("and") || keyword_ahead("or") || keyword_ahead("in") || keyword_ahead("is")) {
      const bool quoted = look() == '"' || look() == '\'';
      return expect("the name of an attribute",
                    quoted ? "a name stands without quotes, or in backquotes: `two words`" : "");
    }
    *name = found;
    at_ += found.size();
    skip_spaces();
    return true;
  }
  bool read_comparison(AttributeTest* test) {
    struct Sign {
      std::string_view text;
      Is is;
      bool negated;
    };
    // The longer ones first.
    static constexpr Sign kSigns[] = {{"!=", Is::kIn, true},       {"<>", Is::kIn, true},   {"<=", Is::kAtMost, false},
                                      {">=", Is::kAtLeast, false}, {"==", Is::kIn, false},  {"=", Is::kIn, false},
                                      {"<", Is::kBelow, false},    {">", Is::kAbove, false}};
    for (const Sign& sign : kSigns) {
      if (!take(sign.text)) continue;
      test->is = sign.is;
      negated_ = sign.negated;
      if (!read_value(test)) return false;
      if (sign.is != Is::kIn && std::holds_alternative<bool>(test->values.front())) {
        return refuse("true and false have no order");
      }
      return true;
    }
    return false;
  }
  bool read_membership(AttributeTest* test) {
    const std::size_t before = at_;
    const bool negated = take_keyword("not");
    if (!take_keyword("in")) {
      at_ = before;
      return negated && expect("'in'");
    }
    negated_ = negated;
    if (!take("(")) return expect("'('");
    do {
      if (!read_value(test)) return false;
    } while (take(","));
    return take(")") || expect("',' or ')'", after_word());
  }
  bool read_presence(AttributeTest* test) {
    if (!take_keyword("is")) return false;
    const bool negated = take_keyword("not");
    const bool present = take_keyword("present");
    if (!present && !take_keyword("absent")) return expect("'present' or 'absent'");
    test->is = Is::kPresent;
    negated_ = present == negated;
    return true;
  }

  bool read_value(AttributeTest* test) {
    if (++values_ > kValuesMax) return refuse("a condition has at most 4,096 values");
    if (look() == '"') return read_json_text(test);
    if (look() == '\'') return read_plain_text(test);
    if (look() == '`') return refuse("names stand in backquotes, and texts in ' or \"");
    if (refuse_curly_quote()) return false;
    if (take_keyword("true")) {
      test->values.emplace_back(true);
    } else if (take_keyword("false")) {
      test->values.emplace_back(false);
    } else if (const std::string_view found = word(); !found.empty()) {
      test->values.emplace_back(std::string(found));
      at_ += found.size();
      skip_spaces();
      word_end_ = at_;
    } else {
      return read_number(test);
    }
    return true;
  }
  bool read_number(AttributeTest* test) {
    double value = 0.0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || !std::isfinite(value) ||
        continues_word(end < text_.data() + text_.size() ? *end : ' ')) {
      return expect("a number, a word, or a text in quotes");
    }
    at_ += static_cast<std::size_t>(end - begin);
    test->values.emplace_back(value);
    skip_spaces();
    return true;
  }
  bool read_plain_text(AttributeTest* test) {
    std::string value;
    const std::size_t opening = at_;
    for (++at_;; ++at_) {
      if (at_end()) return expect("a second single quote", "the first is at column " + std::to_string(opening + 1));
      if (look() == '\'') {
        if (look(1) != '\'') break;
        ++at_;
      }
      value += look();
    }
    ++at_;
    test->values.emplace_back(std::move(value));
    skip_spaces();
    return true;
  }
  bool read_json_text(AttributeTest* test) {
    std::string value;
    const std::size_t opening = at_;
    ++at_;
    while (look() != '"') {
      if (at_end()) return expect("a second double quote", "the first is at column " + std::to_string(opening + 1));
      if (look() == '\\') {
        if (!read_escape(&value)) return false;
      } else {
        value += look();
        ++at_;
      }
    }
    ++at_;
    test->values.emplace_back(std::move(value));
    skip_spaces();
    return true;
  }
  std::optional<unsigned> hex4() {
    unsigned code = 0;
    if (at_ + 4 > text_.size()) return std::nullopt;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, begin + 4, code, 16);
    if (error != std::errc() || end != begin + 4) return std::nullopt;
    at_ += 4;
    return code;
  }
  bool read_escape(std::string* value) {
    ++at_;
    constexpr std::string_view kShort = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (const std::size_t found = kShort.find(look()); look() != '\0' && found != std::string_view::npos) {
      value->push_back(kMeant[found]);
      ++at_;
      return true;
    }
    if (look() != 'u') return expect("an escape of JSON");
    ++at_;
    auto code = hex4();
    if (code && *code >= 0xD800 && *code < 0xDC00 && look() == '\\' && look(1) == 'u') {
      at_ += 2;
      const auto low = hex4();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return expect("the second half of a character");
      code = 0x10000 + ((*code - 0xD800) << 10U) + (*low - 0xDC00);
    }
    if (!code || *code == 0 || (*code >= 0xD800 && *code <= 0xDFFF)) return expect("a character in four hex digits");
    append_utf8(*code, value);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t tests_ = 0;
  std::size_t values_ = 0;
  std::size_t word_end_ = SIZE_MAX;  ///< behind the newest value without quotes and its spaces
  bool negated_ = false;             ///< the test at hand was written with != or not
  std::string problem_;
};

Result<Condition> Condition::parse(std::string_view text) { return ConditionParser(text).read(); }

}  // namespace cairn::features
