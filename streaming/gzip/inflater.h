#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "cairn/status.h"

namespace cairn::streaming::gzip {

/// The first two bytes of a gzip member (RFC 1952, section 2.3.1).
inline constexpr unsigned char kMagic[2] = {0x1f, 0x8b};

/// Unpacks gzip data, piece by piece. Members that follow each other are one content, as gzip(1) has it. Zero bytes
/// after a member end the content: tapes and some copiers pad with them. One thread.
class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  struct Progress {
    std::size_t consumed = 0;  ///< bytes of `in` that are done with
    std::size_t produced = 0;  ///< bytes written to `out`
  };

  /// Unpacks until `in` is used up or `out` is full. Everything before damaged data is produced before the damage is
  /// reported.
  /// Returns: DATA_LOSS when the bytes are no gzip data or a member's checksum fails; the inflater is of no use then.
  [[nodiscard]] Result<Progress> inflate(std::span<const char> in, std::span<char> out);

  /// Whether the content may end here: between members.
  [[nodiscard]] bool at_boundary() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::streaming::gzip
