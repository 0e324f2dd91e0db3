#include "streaming/simdjson/plain_event.h"

#include <bit>
#include <charconv>
#include <system_error>

#include "streaming/simdjson/quote_scan.h"
#include "streaming/simdjson/words.h"
#include "streaming/source.h"

namespace cairn::streaming {
namespace {

using Kind = PlainValue::Kind;

// No reading runs further past the payload than its padding: where reading begins is always inside of it or at its
// end, and a number takes two loads of eight digits for each of its two parts at most.
static_assert(kPayloadPadding >= 64, "plain events are read without looking for the payload's end at every byte");

// ---- eight bytes at a time ----------------------------------------------------------------------------------------

constexpr std::uint64_t kEach = 0x0101010101010101U;

/// How many of the lowest bytes are decimal digits.
std::size_t digits_in(std::uint64_t word) noexcept {
  // Of a digit the high half is 3, also after adding 6. A carry out of a byte cannot make a digit of the next one where
  // it counts: only bytes that are no digits carry, and what is above the lowest of these is not looked at.
  const std::uint64_t high = 0xF0 * kEach;
  const std::uint64_t other = ((word & high) ^ 0x30 * kEach) | (((word + 0x06 * kEach) & high) ^ 0x30 * kEach);
  return static_cast<std::size_t>(std::countr_zero(other)) / 8;
}

/// The number that the lowest `digits` bytes write. Requires: they are digits, 0 <= digits <= 8.
std::uint64_t number_in(std::uint64_t word, std::size_t digits) noexcept {
  // Moved to the top, with zeros before: then pairs, fours and the eight are joined by one multiplication each.
  if (digits == 0) return 0;
  word = (word - 0x30 * kEach) << (64 - 8 * digits);
  word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FFU;
  word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFFU;
  return (word * 10'000 + (word >> 32)) & 0xFFFFFFFFU;
}

constexpr std::array<std::uint64_t, 20> kTenTo = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = 10 * powers[i - 1];
  return powers;
}();

/// Digits in a row: at most kDigitsMax of them, so that their number fits.
struct Digits {
  static constexpr std::size_t kDigitsMax = 19;

  std::uint64_t number = 0;
  std::size_t count = 0;  ///< more than kDigitsMax: at least so many, and `number` is meaningless
};

Digits read_digits(const char* at) noexcept {
  Digits read;
  while (read.count <= Digits::kDigitsMax) {
    const std::uint64_t word = load_word(at + read.count);
    const std::size_t more = digits_in(word);
    read.number = read.number * kTenTo[more] + number_in(word, more);
    read.count += more;
    if (more < sizeof word) break;
  }
  return read;
}

// ---- numbers ------------------------------------------------------------------------------------------------------

/// Powers of ten that a double holds exactly.
constexpr std::array<double, 23> kExactTenTo = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::uint64_t kExactIntegerMax = std::uint64_t{1} << 53;

/// The double nearest to the decimal `text`, whose digits without the point write `mantissa`.
/// Returns: false where that is left to others.
bool nearest(std::string_view text, std::uint64_t mantissa, std::size_t fraction_digits, std::size_t digits,
             bool negative, double* real) noexcept {
  // One division of two numbers that are exact is rounded once, and so correctly (Clinger 1990).
  if (digits <= Digits::kDigitsMax && mantissa <= kExactIntegerMax) {
    const double magnitude = static_cast<double>(mantissa) / kExactTenTo[fraction_digits];
    // The sign as a bit, also of zero; half of all longitudes have one, and no branch predictor knows which.
    *real = std::bit_cast<double>(std::bit_cast<std::uint64_t>(magnitude) | std::uint64_t{negative} << 63);
    return true;
  }
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *real, std::chars_format::fixed);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

/// Reads the number at `begin`. Returns: where it ends, before an exponent if it has one (which nobody takes then);
/// null for one with many digits, and for none.
const char* read_number(const char* begin, PlainValue* value) noexcept {
  value->negative = *begin == '-';
  const char* const first = begin + static_cast<std::ptrdiff_t>(value->negative);
  const Digits whole = read_digits(first);
  const bool leading_zero = *first == '0' && whole.count > 1;
  if (whole.count == 0 || whole.count > Digits::kDigitsMax || leading_zero) return nullptr;
  const char* end = first + whole.count;
  if (*end != '.') {
    value->kind = Kind::kInteger;
    value->magnitude = whole.number;
  } else {
    const Digits fraction = read_digits(end + 1);
    if (fraction.count == 0 || fraction.count > Digits::kDigitsMax) return nullptr;
    end += 1 + fraction.count;
    const std::size_t digits = whole.count + fraction.count;
    // Beyond 19 digits this overflows, and is not used.
    const std::uint64_t mantissa = whole.number * kTenTo[fraction.count] + fraction.number;
    value->kind = Kind::kReal;
    const std::string_view text(begin, static_cast<std::size_t>(end - begin));
    if (!nearest(text, mantissa, fraction.count, digits, value->negative, &value->real)) return nullptr;
  }
  value->text = {begin, static_cast<std::size_t>(end - begin)};
  return end;
}

// ---- names --------------------------------------------------------------------------------------------------------

/// Finds a contract's field by its name's word in one step: no two of them share a slot.
class FieldTable {
 public:
  constexpr FieldTable() {
    for (std::size_t field = 0; field < kFields; ++field) {
      const std::uint64_t word = word_of(kFieldNames[field]);
      Slot& slot = slots_[slot_of(word)];
      if (slot.word != kNoName) throw "two names in one slot: choose another multiplier";
      slot = {word, static_cast<Field>(field)};
    }
  }

  /// Returns: kFields when `key` names none.
  [[nodiscard]] Field find(std::string_view key) const noexcept {
    if (key.size() > sizeof(std::uint64_t)) return kFields;
    const std::uint64_t word = low_bytes(load_word(key.data()), key.size());
    const Slot& slot = slots_[slot_of(word)];
    return slot.word == word ? slot.field : kFields;
  }

 private:
  // A name of zeros: keys with control characters do not come here, and the empty key is none of ours.
  static constexpr std::uint64_t kNoName = ~std::uint64_t{0};
  static constexpr std::uint64_t kMultiplier = 0x8712B8BC076F3787U;
  static constexpr std::size_t slot_of(std::uint64_t word) noexcept { return (word * kMultiplier) >> 60; }

  struct Slot {
    std::uint64_t word = kNoName;
    Field field = kFields;
  };
  std::array<Slot, 16> slots_{};
};

constexpr FieldTable kFieldTable;

/// Reads true, false or null. Returns: where it ends; null for none of these.
const char* read_word(const char* at, PlainValue* value) noexcept {
  const std::uint64_t word = load_word(at);
  const bool null = low_bytes(word, 4) == word_of("null");
  value->kind = null ? Kind::kNull : Kind::kBoolean;
  if (null || low_bytes(word, 4) == word_of("true")) return at + 4;
  return low_bytes(word, 5) == word_of("false") ? at + 5 : nullptr;
}

// ---- the object ---------------------------------------------------------------------------------------------------

/// Goes through one payload from its front. `at_` may pass the end by what stands in the padding; it never comes back,
/// and the end is asked for in the end, so nothing that was read there is believed.
class Reader {
 public:
  Reader(std::string_view payload, const QuoteScan& quotes) noexcept
      : begin_(payload.data()), end_(payload.data() + payload.size()), quotes_(quotes), at_(begin_) {}

  bool read(PlainEvent* event) noexcept {
    if (*at_++ != '{') return false;
    do {
      std::string_view key;
      if (!read_string(&key) || !take(':')) return false;
      skip_blanks();
      PlainValue* const value = place_of(key, event);
      if (value == nullptr || !read_value(value)) return false;
    } while (take(','));
    return take('}') && at_ == end_;
  }

 private:
  static constexpr std::size_t kUnknownMax = 4;

  void skip_blanks() noexcept {
    while (*at_ == ' ' && at_ < end_) ++at_;
  }

  /// Passes blanks, and `c` when it follows.
  bool take(char c) noexcept {
    skip_blanks();
    if (*at_ != c) return false;
    ++at_;
    return true;
  }

  /// Requires: every quote before at_ was taken.
  bool read_string(std::string_view* text) noexcept {
    skip_blanks();
    const std::size_t open = quotes_[quote_];
    if (at_ != begin_ + open) return false;  // the place that no text has included
    const std::size_t close = quotes_[quote_ + 1];
    quote_ += 2;
    *text = {begin_ + open + 1, close - open - 1};
    at_ = begin_ + close + 1;
    return true;
  }

  /// Where the value of `key` goes. Returns: null when the key stands twice, or is one unknown key too many.
  PlainValue* place_of(std::string_view key, PlainEvent* event) noexcept {
    const Field field = kFieldTable.find(key);
    if (field == kFields) return remember(key) ? &ignored_ : nullptr;
    const std::uint32_t bit = 1U << field;
    if ((event->present & bit) != 0) return nullptr;
    event->present |= bit;
    return &event->fields[field];
  }

  bool remember(std::string_view unknown) noexcept {
    if (unknown_count_ == kUnknownMax) return false;
    for (std::size_t i = 0; i < unknown_count_; ++i) {
      if (unknown_[i] == unknown) return false;
    }
    unknown_[unknown_count_++] = unknown;
    return true;
  }

  bool read_value(PlainValue* value) noexcept {
    if (*at_ == '"') {
      value->kind = Kind::kText;
      return read_string(&value->text);
    }
    const bool word = *at_ >= 'a';
    const char* const end = word ? read_word(at_, value) : read_number(at_, value);
    if (end == nullptr) return false;
    at_ = end;
    return true;
  }

  const char* const begin_;
  const char* const end_;
  const QuoteScan& quotes_;
  const char* at_;
  std::size_t quote_ = 0;  ///< the first that was not taken
  PlainValue ignored_;
  std::array<std::string_view, kUnknownMax> unknown_;
  std::size_t unknown_count_ = 0;
};

std::string_view without_trailing_space(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

template <class Set>
bool read_with(std::string_view payload, PlainEvent* event) noexcept {
  payload = without_trailing_space(payload);
  QuoteScan quotes;
  if (payload.empty() || !quotes.scan<Set>(payload)) return false;
  event->present = 0;
  event->ascii = quotes.ascii();
  return Reader(payload, quotes).read(event);
}

// One function for each instruction set, with everything that it calls compiled into it for that set; which one is
// called is decided when the process starts.
using Read = bool (*)(std::string_view, PlainEvent*) noexcept;

#if defined(__x86_64__)
CAIRN_SCAN_AVX512 __attribute__((flatten)) bool read_avx512(std::string_view payload, PlainEvent* event) noexcept {
  return read_with<ScanAvx512>(payload, event);
}
CAIRN_SCAN_AVX2 __attribute__((flatten)) bool read_avx2(std::string_view payload, PlainEvent* event) noexcept {
  return read_with<ScanAvx2>(payload, event);
}

bool has_avx2() noexcept {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("popcnt");
}
bool has_avx512() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi2");
}

Read best_read() noexcept { return has_avx512() ? read_avx512 : has_avx2() ? read_avx2 : read_with<ScanSse2>; }
#else
Read best_read() noexcept { return read_with<ScanPortable>; }
#endif

}  // namespace

bool PlainEvent::read(std::string_view payload) noexcept {
  static const Read best = best_read();
  return best(payload, this);
}

}  // namespace cairn::streaming
