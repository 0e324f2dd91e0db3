#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/clock.h"
#include "cairn/status.h"

namespace cairn::streaming {

class Zone;

/// Reads the times of events in the form in which people have them. Immutable; any thread.
class EventTimes {
 public:
  /// `format`, `zone`: as MappingOptions::time_format and time_zone.
  /// Returns: INVALID_ARGUMENT for a pattern that gives no date, names a zone by letters or needs one, and for an
  /// unknown zone.
  [[nodiscard]] static Result<EventTimes> make(const std::string& format, const std::string& zone);

  /// A time in words. RFC 3339 is always read; with a zone, also without an offset, and a day alone; with a pattern,
  /// what it describes. With a unit ("seconds"), digits are a number in quotes.
  [[nodiscard]] std::optional<EventTime> read_text(std::string_view text) const;
  /// A number as JSON writes it, in the unit. Returns: nullopt for a fraction of milliseconds, which is no integer,
  /// and for what no EventTime holds. In seconds a fraction is read to the millisecond.
  [[nodiscard]] std::optional<EventTime> read_number(std::string_view number) const;
  /// A field of CSV, which does not tell numbers from words.
  [[nodiscard]] std::optional<EventTime> read_field(std::string_view text) const;

  /// What a time has to be, for messages: "RFC 3339 or integer milliseconds since 1970".
  [[nodiscard]] std::string expected() const;

 private:
  enum class Unit : std::uint8_t { kSeconds, kMilliseconds, kMicroseconds, kNanoseconds };

  EventTimes() = default;
  [[nodiscard]] Status set_pattern(const std::string& pattern);
  [[nodiscard]] std::optional<EventTime> read_pattern(std::string_view text) const;
  [[nodiscard]] std::optional<EventTime> read_without_offset(std::string_view text) const;

  Unit unit_ = Unit::kMilliseconds;
  bool unit_given_ = false;
  std::string format_;
  /// The pattern cut behind each "%S": a fraction of the second may stand there. Empty: there is no pattern.
  std::vector<std::string> pieces_;
  bool offset_in_pattern_ = false;
  std::string zone_name_;
  std::shared_ptr<const Zone> zone_;  ///< null: none was given
};

/// What a time that was refused looks like, and what to do about it: seconds where milliseconds are meant, a time
/// without a zone, one that a pattern reads. Empty when nothing is to be said.
/// `text`: as it was sent, without quotes; `quoted`: it stood in quotes.
[[nodiscard]] std::string time_hint(std::string_view text, bool quoted);

}  // namespace cairn::streaming
