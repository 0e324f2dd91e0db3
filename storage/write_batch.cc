#include "storage/write_batch.h"

#include <algorithm>
#include <limits>

#include "cairn/check.h"
#include "storage/prefix.h"
#include "storage/stored_key.h"

namespace cairn::storage {
namespace {

// RocksDB's record types (format.md). They are part of its write-ahead log, so they do not change between versions.
constexpr char kTagDelete = 0x0;
constexpr char kTagPut = 0x1;
constexpr char kTagMerge = 0x2;
constexpr char kTagDeleteRange = 0xF;

constexpr std::size_t kCountAt = 8;

void put_varint32(std::uint32_t value, std::string* out) {
  char buffer[5];
  std::size_t size = 0;
  for (; value >= 0x80; value >>= 7) buffer[size++] = static_cast<char>(value | 0x80);
  buffer[size++] = static_cast<char>(value);
  out->append(buffer, size);
}

void put_size(std::size_t size, std::string* out) {
  CAIRN_CHECK(size <= std::numeric_limits<std::uint32_t>::max());
  put_varint32(static_cast<std::uint32_t>(size), out);
}

void put_text(std::string_view text, std::string* out) {
  put_size(text.size(), out);
  out->append(text);
}

/// Reads a batch's own bytes back, so anything out of place is our error.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }

  char tag() {
    CAIRN_CHECK(!rest_.empty());
    const char tag = rest_.front();
    rest_.remove_prefix(1);
    return tag;
  }

  std::string_view text() {
    const std::size_t size = varint32();
    CAIRN_CHECK(size <= rest_.size());
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }

 private:
  std::uint32_t varint32() {
    std::uint32_t value = 0;
    for (int shift = 0;; shift += 7) {
      CAIRN_CHECK(!rest_.empty() && shift < 35);
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
  }

  std::string_view rest_;
};

/// The family that a stored key begins with, taken off it.
Family take_family(std::string_view* stored) {
  CAIRN_CHECK(!stored->empty() && static_cast<unsigned char>(stored->front()) < kFamilies);
  const auto family = static_cast<Family>(stored->front());
  stored->remove_prefix(1);
  return family;
}

WriteBatch::Kind kind_of(char tag) {
  switch (tag) {
    case kTagPut:
      return WriteBatch::Kind::kPut;
    case kTagMerge:
      return WriteBatch::Kind::kMerge;
    case kTagDeleteRange:
      return WriteBatch::Kind::kRemoveRange;
    default:
      CAIRN_CHECK(tag == kTagDelete);
      return WriteBatch::Kind::kRemove;
  }
}

}  // namespace

void WriteBatch::put(Family family, std::string_view key, std::string_view value) {
  begin_record(kTagPut, family, key);
  put_text(value, &bytes_);
}

void WriteBatch::merge(Family family, std::string_view key, std::string_view operand) {
  CAIRN_CHECK_MSG(family == Family::kState, "only the state family merges");
  begin_record(kTagMerge, family, key);
  put_text(operand, &bytes_);
}

void WriteBatch::remove(Family family, std::string_view key) { begin_record(kTagDelete, family, key); }

void WriteBatch::remove_prefix(Family family, std::string_view prefix) {
  CAIRN_CHECK_MSG(family != Family::kState, "no range of state is removed");
  CAIRN_CHECK_MSG(!prefix.empty(), "an empty prefix would remove the whole family");
  begin_record(kTagDeleteRange, family, prefix);
  // There always is an end: behind a prefix of 0xff only it is the first key of the next family.
  put_text(prefix_end(stored_key(family, prefix)).value(), &bytes_);
}

void WriteBatch::clear() noexcept {
  bytes_.assign(kHeaderBytes, '\0');
  longest_key_ = 0;
}

std::uint32_t WriteBatch::count() const noexcept {
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < sizeof count; ++i) {
    count |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes_[kCountAt + i])) << (8 * i);
  }
  return count;
}

std::vector<WriteBatch::Op> WriteBatch::ops() const {
  std::vector<Op> ops;
  ops.reserve(count());
  for (Reader in(std::string_view(bytes_).substr(kHeaderBytes)); !in.done();) {
    Op op{.kind = kind_of(in.tag()), .family = {}, .key = in.text(), .value = {}};
    op.family = take_family(&op.key);
    if (op.kind != Kind::kRemove) op.value = in.text();
    if (op.kind == Kind::kRemoveRange) op.value.remove_prefix(1);
    ops.push_back(op);
  }
  CAIRN_CHECK(ops.size() == count());
  return ops;
}

std::string WriteBatch::take_bytes() noexcept {
  WriteBatch taken(std::move(*this));
  return std::move(taken.bytes_);
}

Status WriteBatch::check_key_sizes() const {
  if (longest_key_ <= kKeyBytesMax) return ok_status();
  return invalid_argument("a key has " + std::to_string(longest_key_) + " bytes, at most " +
                          std::to_string(kKeyBytesMax) + " are allowed; shorten the id");
}

void WriteBatch::begin_record(char tag, Family family, std::string_view key) {
  // The count in the header is kept right at every step, so that the bytes are a valid batch at any time.
  const std::uint32_t count = this->count() + 1;
  for (std::size_t i = 0; i < sizeof count; ++i) bytes_[kCountAt + i] = static_cast<char>(count >> (8 * i));
  bytes_.push_back(tag);
  put_size(key.size() + 1, &bytes_);
  bytes_.push_back(family_byte(family));
  bytes_.append(key);
  longest_key_ = std::max(longest_key_, key.size());
}

}  // namespace cairn::storage
