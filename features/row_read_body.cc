#include "features/row_read.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <iterator>

#include "features/calendar.h"
#include "features/value.h"

// format.md's body of a block, from the dimensions on. A row has exactly one encoding, and every other spelling is
// refused: so whatever a flag or a width could have said in another way is compared with what the writer would have
// said.

namespace cairn::features {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

Problem read_width(Cursor* in, unsigned at_least, unsigned* width) noexcept {
  *width = in->byte();
  return *width < at_least || *width > 64 ? "a width is out of range" : nullptr;
}

// What put_column() wrote. `take(i, number)`.
template <class Take>
Problem read_column(std::size_t n, unsigned at_least, Cursor* in, Take take) {
  unsigned width = 0;
  if (const Problem problem = read_width(in, at_least, &width)) return problem;
  std::uint64_t ored = 0;
  in->packed(width, n, [&](std::size_t i, std::uint64_t v) {
    ored |= v;
    take(i, v);
  });
  return in->ok() && width != width_of(ored, at_least) ? "a width is larger than it need be" : nullptr;
}

template <class Take>
Problem read_column(std::size_t n, Cursor* in, Take take) {
  if (n != 1) return read_column(n, 1, in, take);
  take(0, in->varint());
  return nullptr;
}

// ---- times and dimensions -----------------------------------------------------------------------------------------

Problem read_ages(const Body& body, Cursor* in) {
  const std::uint64_t age_max = difference(body.newest_ms, kMin) / body.unit_ms;
  std::uint64_t oldest = 0;
  bool newest_seen = false;
  const auto take = [&](std::size_t i, std::uint64_t age) {
    oldest = std::max(oldest, age);
    newest_seen |= age == 0;
    body.entries[i].value.newest_ms = back(body.newest_ms, age * body.unit_ms);
  };
  if (body.entries.size() < kPackedEntriesMin) {
    for (std::size_t i = 0; i < body.entries.size(); ++i) take(i, in->column_varint());
  } else if (const Problem problem = read_column(body.entries.size(), kTimeWidthMin, in, take)) {
    return problem;
  }
  if (oldest > age_max) return "an event time exceeds 64 bits";
  return newest_seen ? nullptr : "no entry has the block's newest event time";
}

Problem read_steps(const Body& body, Cursor* in) {
  // The steps lead from the oldest to the newest entry, and only the newest one's time is known.
  const std::size_t last = body.entries.size() - 1;
  const auto take = [&](std::size_t i, std::uint64_t step) {
    body.entries[i].value.newest_ms = static_cast<std::int64_t>(step);
  };
  if (body.entries.size() < kPackedEntriesMin) {
    for (std::size_t i = 0; i < last; ++i) take(i, in->column_varint());
  } else if (const Problem problem = read_column(last, kTimeWidthMin, in, take)) {
    return problem;
  }
  std::int64_t time = body.newest_ms;
  body.entries[last].value.newest_ms = time;
  for (std::size_t i = last; i > 0; --i) {
    std::int64_t& newest_ms = body.entries[i - 1].value.newest_ms;
    const auto step = static_cast<std::uint64_t>(newest_ms);
    // Cheaper than the quotient: few steps have more than 32 bits.
    if (step >> 32 != 0 && step > difference(time, kMin) / body.unit_ms) return "an event time exceeds 64 bits";
    if (step >> 32 == 0 && step * body.unit_ms > difference(time, kMin)) return "an event time exceeds 64 bits";
    time = back(time, step * body.unit_ms);
    newest_ms = time;
  }
  return nullptr;
}

Problem read_dimensions(const Body& body, Cursor* in) {
  if (body.dimensions != Dimensions::kWritten) return nullptr;
  if (body.aggregate == Aggregate::kSequence) {
    const auto take = [&](std::size_t i, std::uint64_t dimension) { body.entries[i].dimension = dimension; };
    if (body.entries.size() >= kPackedEntriesMin) return read_column(body.entries.size(), 1, in, take);
    for (std::size_t i = 0; i < body.entries.size(); ++i) take(i, in->column_varint());
    return nullptr;
  }
  std::uint64_t dimension_min = 0;
  for (std::size_t i = 0; i < body.entries.size(); ++i) {
    const std::uint64_t gap = in->column_varint();
    const std::uint64_t dimension = dimension_min + gap;
    // The second case: the dimension before was the last of 64 bits, and its successor has wrapped to 0.
    if (dimension < gap || (i > 0 && dimension_min == 0)) return "a dimension exceeds 64 bits";
    body.entries[i].dimension = dimension;
    dimension_min = dimension + 1;
  }
  return nullptr;
}

// The dimensions that follow from the times, and whether the flag is the one that the writer would have chosen.
Problem settle_dimensions(const Body& body) {
  if (body.dimensions == Dimensions::kHour || body.dimensions == Dimensions::kHourOfWeek) {
    if (body.aggregate == Aggregate::kSequence) return "a sequence's dimensions are not hours";
    for (RawEntry& entry : body.entries) {
      if (body.dimensions == Dimensions::kHour && entry.value.newest_ms < 0) return "an hour before 1970";
      const EventTime newest = event_time_from_ms(entry.value.newest_ms);
      entry.dimension =
          static_cast<std::uint64_t>(body.dimensions == Dimensions::kHour ? hour_tile(newest) : hour_of_week(newest));
    }
    for (std::size_t i = 1; i < body.entries.size(); ++i) {
      if (body.entries[i - 1].dimension >= body.entries[i].dimension) return "hours are out of order";
    }
  }
  if (body.dimensions == Dimensions::kZero && body.entries.size() != 1) return "one dimension for several entries";
  return dimensions_of(body.aggregate, body.entries) == body.dimensions
             ? nullptr
             : "dimensions are spelled longer than they need be";
}

// ---- values -------------------------------------------------------------------------------------------------------

Problem read_counts(const Body& body, Cursor* in) {
  if ((body.flags & kCountsOne) != 0) {
    for (RawEntry& entry : body.entries) entry.value.count = 1;
    return nullptr;
  }
  bool all_one = true;
  bool too_large = false;
  const auto take = [&](std::size_t i, std::uint64_t beyond_one) {
    all_one &= beyond_one == 0;
    too_large |= beyond_one + 1 > static_cast<std::uint64_t>(kMax);
    body.entries[i].value.count = static_cast<std::int64_t>(beyond_one + 1);
  };
  if (const Problem problem = read_column(body.entries.size(), in, take)) return problem;
  if (too_large) return "a count exceeds 63 bits";
  return all_one ? "counts of 1 are spelled longer than they need be" : nullptr;
}

// Weights at one scale, as they come. Tells whether they are what a flag could have said.
class Weights {
 public:
  explicit Weights(unsigned scale) noexcept
      : scale_(kScales[scale]), number_max_(kMax / scale_), number_min_(kMin / scale_), scale_index_(scale) {}

  std::int64_t take(std::uint64_t coded) noexcept {
    const std::int64_t number = unzigzag(coded);
    too_large_ |= number > number_max_ || number < number_min_;
    larger_scale_ = larger_scale_ && fits_larger_scale(number);
    const auto micros =
        static_cast<std::int64_t>(static_cast<std::uint64_t>(number) * static_cast<std::uint64_t>(scale_));
    all_one_ &= micros == kOneInMicros;
    return micros;
  }

  [[nodiscard]] Problem problem() const noexcept {
    if (too_large_) return "a weight exceeds 64 bits";
    if (larger_scale_) return "weights have a larger scale";
    return all_one_ ? "weights of 1 are spelled longer than they need be" : nullptr;
  }

 private:
  // By constants, which the compiler turns into multiplications.
  [[nodiscard]] bool fits_larger_scale(std::int64_t number) const noexcept {
    switch (scale_index_) {
      case 0:
        return number % (kScales[1] / kScales[0]) == 0;
      case 1:
        return number % (kScales[2] / kScales[1]) == 0;
      case 2:
        return number % (kScales[3] / kScales[2]) == 0;
      default:
        return false;
    }
  }

  std::int64_t scale_;
  std::int64_t number_max_;
  std::int64_t number_min_;
  unsigned scale_index_;
  bool too_large_ = false;
  bool larger_scale_ = true;
  bool all_one_ = true;
};

Problem read_weights(const Body& body, Cursor* in) {
  Weights weights(body.flags >> kScaleShift);
  const auto take = [&](std::size_t i, std::uint64_t v) { body.entries[i].value.micros = weights.take(v); };
  const Problem problem = read_column(body.entries.size(), in, take);
  return problem != nullptr ? problem : weights.problem();
}

Problem read_singles(const Body& body, unsigned form, std::span<const std::uint32_t> which, Cursor* in) {
  const unsigned scale = form & 3u;
  if ((form & kSinglesOne) != 0 || which.empty()) {
    for (const std::uint32_t i : which) body.entries[i].value.micros = kOneInMicros;
    return scale != 0 || (which.empty() && (form & kSinglesOne) != 0) ? "a scale without weights" : nullptr;
  }
  Weights weights(scale);
  bool too_large = false;
  const auto take = [&](std::size_t i, std::uint64_t v) {
    const std::int64_t micros = weights.take(v);
    too_large |= micros <= -kSingleMicrosMax || micros >= kSingleMicrosMax;
    body.entries[which[i]].value.micros = micros;
  };
  if (const Problem problem = read_column(which.size(), in, take)) return problem;
  return too_large ? "a single weight is too large" : weights.problem();
}

Problem read_mantissas(const Body& body, bool whole, std::span<const std::uint32_t> which, Cursor* in) {
  bool finite = true;
  bool all_normal = true;
  in->packed(whole ? 64 : kMantissaBits, which.size(), [&](std::size_t i, std::uint64_t v) {
    const std::uint64_t bits = whole ? v : (v >> 52 << 63) | kNormalExponent | (v & low_bits(52));
    finite &= (bits & kExponentMask) != kExponentMask;
    all_normal &= (bits & kExponentMask) == kNormalExponent;
    body.entries[which[i]].value.mantissa = std::bit_cast<double>(bits);
  });
  if (!finite) return "a mantissa is not finite";
  return whole && all_normal && in->ok() ? "mantissas are spelled longer than they need be" : nullptr;
}

// Sums that could have been spelled as their only event.
bool any_foldable(const Body& body) noexcept {
  if (body.half_life_ms == 0) return false;
  return std::any_of(body.entries.begin(), body.entries.end(), [&](const RawEntry& entry) {
    if (entry.single || entry.value.count != 1) return false;
    RawEntry folded = entry;
    settle(body.half_life_ms, &folded);
    return folded.single;
  });
}

Problem read_others(const Body& body, unsigned form, std::span<const std::uint32_t> which, Cursor* in) {
  const bool whole = (form & kMantissasWhole) != 0;
  if (which.empty()) return whole ? "mantissas are spelled longer than they need be" : nullptr;
  const auto usual = static_cast<std::uint64_t>(usual_exponent(body.half_life_ms, body.newest_ms));
  const auto take = [&](std::size_t i, std::uint64_t v) {
    body.entries[which[i]].value.exponent = static_cast<std::int64_t>(usual + static_cast<std::uint64_t>(unzigzag(v)));
  };
  if (const Problem problem = read_column(which.size(), in, take)) return problem;
  if (const Problem problem = read_mantissas(body, whole, which, in)) return problem;
  return any_foldable(body) ? "the sum of one event is spelled longer than it need be" : nullptr;
}

Problem read_sums(const Body& body, Cursor* in) {
  const unsigned form = in->byte();
  constexpr unsigned kKnown = 3u | kAllSingle | kNoSingle | kSinglesOne | kMantissasWhole;
  if ((form & ~kKnown) != 0 || (body.flags >> kScaleShift) != 0) return "a flag is unknown";
  const unsigned uniform = form & (kAllSingle | kNoSingle);
  if (uniform == kAllSingle) {
    for (RawEntry& entry : body.entries) entry.single = true;
  } else if (uniform == 0) {
    in->packed(1, body.entries.size(),
               [&](std::size_t i, std::uint64_t single) { body.entries[i].single = single != 0; });
  }
  const Forms forms(body.entries);
  const bool all_plain = uniform == kAllSingle && (form & kSinglesOne) != 0;
  if (uniform == (kAllSingle | kNoSingle) || all_plain ||
      (uniform == 0 && (forms.singles().empty() || forms.others().empty()))) {
    return "forms of sums are spelled longer than they need be";
  }
  if (const Problem problem = read_singles(body, form, forms.singles(), in)) return problem;
  return read_others(body, form, forms.others(), in);
}

Problem read_values(const Body& body, Cursor* in) {
  const bool decays = body.aggregate == Aggregate::kDecayedSum;
  if ((body.flags & kPlain) == 0) {
    if (body.aggregate == Aggregate::kCount) return "counts have no weights";
    if (const Problem problem = decays ? read_sums(body, in) : read_weights(body, in)) return problem;
  } else {
    if ((body.flags >> kScaleShift) != 0) return "a scale without weights";
    for (RawEntry& entry : body.entries) {
      entry.value.micros = body.aggregate == Aggregate::kCount ? 0 : kOneInMicros;
      entry.single = decays;
    }
  }
  const auto wrong = [&](const RawEntry& e) { return e.single && (e.value.count != 1 || body.half_life_ms == 0); };
  return decays && std::any_of(body.entries.begin(), body.entries.end(), wrong) ? "a sum of several events as one"
                                                                                : nullptr;
}

bool sequence_ascends(std::span<const RawEntry> entries) noexcept {
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (compare_keys(Aggregate::kSequence, entries[i - 1], entries[i]) >= 0) return false;
  }
  return true;
}

// One entry of which nothing but the dimension is written: what most deltas are made of.
Problem read_plain_entry(const Body& body, Cursor* in) {
  RawEntry& entry = body.entries.front();
  entry.value.newest_ms = body.newest_ms;
  entry.value.count = 1;
  if (const Problem problem = read_dimensions(body, in)) return problem;
  if (const Problem problem = settle_dimensions(body)) return problem;
  return read_values(body, in);
}

}  // namespace

Problem read_columns(const Body& body, Cursor* in) {
  constexpr unsigned kPlainEntry = kOneEntry | kCountsOne | kPlain;
  if ((body.flags & kPlainEntry) == kPlainEntry) return read_plain_entry(body, in);
  if (const Problem problem = read_dimensions(body, in)) return problem;
  if (body.entries.size() == 1) {
    body.entries.front().value.newest_ms = body.newest_ms;
  } else if (const Problem problem =
                 times_ascend(body.aggregate, body.dimensions) ? read_steps(body, in) : read_ages(body, in)) {
    return problem;
  }
  if (const Problem problem = settle_dimensions(body)) return problem;
  if (const Problem problem = read_counts(body, in)) return problem;
  if (const Problem problem = read_values(body, in)) return problem;
  const bool sequence = body.aggregate == Aggregate::kSequence;
  if (sequence && !sequence_ascends(body.entries)) return "a sequence's events are out of order";
  return nullptr;
}

}  // namespace cairn::features
