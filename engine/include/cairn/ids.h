#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

/// The longest user or place id, in bytes.
inline constexpr std::size_t kIdBytesMax = 128;

/// A name that a caller gave to something: 1 to kIdBytesMax bytes of UTF-8 without NUL once validated
/// (`valid_id`). The tag keeps a user's id from being passed where a place's is meant.
template <class Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string value) : value_(std::move(value)) {}
  explicit StringId(std::string_view value) : value_(value) {}
  explicit StringId(const char* value) : value_(value) {}

  /// Makes this the id `value`, in the memory it has.
  void assign(std::string_view value) { value_.assign(value); }

  [[nodiscard]] const std::string& str() const noexcept { return value_; }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

  friend bool operator==(const StringId&, const StringId&) = default;
  friend auto operator<=>(const StringId&, const StringId&) = default;

 private:
  std::string value_;
};

using UserId = StringId<struct UserTag>;
using PlaceId = StringId<struct PlaceTag>;

/// Whether `id` may be an id at all: 1 to kIdBytesMax bytes, no NUL (PostgreSQL's text refuses it).
[[nodiscard]] constexpr bool valid_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= kIdBytesMax && id.find('\0') == std::string_view::npos;
}

/// An integer that cannot be mistaken for another kind of integer.
template <class Tag, class Rep>
struct StrongInt {
  Rep value{};
  friend constexpr bool operator==(StrongInt, StrongInt) = default;
  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;
};

/// A partition of a source: Kafka's partition number, or the index of a file.
using Partition = StrongInt<struct PartitionTag, std::int32_t>;
/// A position in a partition. Kafka counts messages, files and logs count bytes; both only grow.
using Offset = StrongInt<struct OffsetTag, std::int64_t>;

}  // namespace cairn

template <class Tag>
struct std::hash<cairn::StringId<Tag>> {
  std::size_t operator()(const cairn::StringId<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};

template <class Tag, class Rep>
struct std::hash<cairn::StrongInt<Tag, Rep>> {
  std::size_t operator()(cairn::StrongInt<Tag, Rep> v) const noexcept { return std::hash<Rep>{}(v.value); }
};
