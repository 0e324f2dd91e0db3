#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "streaming/dead_letters.h"

namespace cairn::streaming {

// The lines of a file of dead letters: how they are written, and what is read of them again.

/// The longest line: a payload of control characters, each escaped with six bytes, and the rest.
inline constexpr std::size_t kLetterBytesMax = 1 << 20;

/// Where letters come from, and whose offsets can be compared.
struct LetterPartition {
  std::string source;       ///< as it stands in a line, escaped
  std::string incarnation;  ///< DeadLetter::incarnation
  std::int32_t partition = 0;

  friend auto operator<=>(const LetterPartition&, const LetterPartition&) = default;
};
/// How far each is in the file.
using LettersWritten = std::map<LetterPartition, std::int64_t, std::less<>>;

[[nodiscard]] LetterPartition partition_of(const DeadLetter& letter);

/// Appends the line of a letter. `partition`: partition_of() it.
void append_letter(const LetterPartition& partition, const DeadLetter& letter, std::string* out);

/// Appends the line that stands for `count` letters that were left out, the last one at `offset`.
void append_not_kept(const LetterPartition& partition, std::int64_t offset, Reject reason, std::uint64_t count,
                     EventTime seen, std::string* out);

/// Whether `wanted` says yes to the payload or the detail of a line's letter; of a line that is none, to all of it.
[[nodiscard]] bool letter_has(std::string_view line, const DeadLetters::Wanted& wanted);

/// Appends the line that stands for one letter whose line is given; nothing for a line that is none.
void append_erased(std::string_view line, std::string* out);

/// Notes how far a line's partition is. Lines that this writer did not make are let stand and tell nothing.
void note_line(std::string_view line, LettersWritten* written);

}  // namespace cairn::streaming
