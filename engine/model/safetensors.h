#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::model {

struct TensorHeader;

/// The types of numbers that are read and written; safetensors has more.
enum class Dtype : std::uint8_t { kU8, kI8, kF16, kF32, kI32, kU32, kI64, kU64 };

[[nodiscard]] std::string_view to_string(Dtype dtype) noexcept;  ///< "F32"
[[nodiscard]] std::size_t bytes_of(Dtype dtype) noexcept;

/// F16 values are kept as their bits.
struct Half {
  std::uint16_t bits = 0;
  friend bool operator==(Half, Half) = default;
};

template <class T>
inline constexpr Dtype kDtypeOf = [] { static_assert(!sizeof(T), "no dtype"); }();
template <>
inline constexpr Dtype kDtypeOf<std::uint8_t> = Dtype::kU8;
template <>
inline constexpr Dtype kDtypeOf<std::int8_t> = Dtype::kI8;
template <>
inline constexpr Dtype kDtypeOf<Half> = Dtype::kF16;
template <>
inline constexpr Dtype kDtypeOf<float> = Dtype::kF32;
template <>
inline constexpr Dtype kDtypeOf<std::int32_t> = Dtype::kI32;
template <>
inline constexpr Dtype kDtypeOf<std::uint32_t> = Dtype::kU32;
template <>
inline constexpr Dtype kDtypeOf<std::int64_t> = Dtype::kI64;
template <>
inline constexpr Dtype kDtypeOf<std::uint64_t> = Dtype::kU64;

/// A dense array in memory that somebody else owns, little-endian and row-major.
struct TensorView {
  std::string name = {};
  Dtype dtype = Dtype::kF32;
  std::vector<std::size_t> shape = {};
  std::span<const std::byte> bytes = {};
};

template <class T>
[[nodiscard]] TensorView tensor(std::string name, std::vector<std::size_t> shape, std::span<const T> values) {
  return {std::move(name), kDtypeOf<T>, std::move(shape), std::as_bytes(values)};
}

/// A file of named tensors (https://github.com/huggingface/safetensors, "Format"): a header's length in 8 bytes, the
/// header in JSON, the numbers. It runs no code and is read whole into memory. Immutable; any thread.
///
/// The format is read strictly: every name and key stands once, offsets fit dtype and shape, and tensors cover the data
/// without overlap or gap. Tensors of dtypes that nobody here reads may be there; a tensor may begin at any byte. The
/// header is at most kHeaderBytesMax.
class TensorFile {
 public:
  static constexpr std::size_t kHeaderBytesMax = 100'000'000;

  /// Returns: NOT_FOUND, UNAVAILABLE when it cannot be read, INVALID_ARGUMENT for what is not a safetensors file.
  /// Messages name the file, and the tensor where one is at fault.
  [[nodiscard]] static Result<TensorFile> read(const std::string& path);

  /// Reads a file that is in memory already. `name` is what messages call it.
  /// Returns: what read() returns.
  [[nodiscard]] static Result<TensorFile> parse(const std::string& name, std::span<const std::byte> bytes);

  /// Reads the header alone, which is checked against the file's size as read() does it.
  /// Returns: what read() returns.
  [[nodiscard]] static Status check_head(const std::string& path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Those of dtypes that are read, in the order of their bytes. Views into this file.
  [[nodiscard]] std::span<const TensorView> tensors() const noexcept { return tensors_; }
  /// Returns: null when there is none of that name.
  [[nodiscard]] const TensorView* find(std::string_view name) const noexcept;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  /// Of every byte of the file.
  [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }

  /// The values of a tensor of this type, of `rank` dimensions, whose sizes go to `*shape`. They live as long as the
  /// file.
  /// Returns: INVALID_ARGUMENT naming file, tensor and what was expected.
  template <class T>
  [[nodiscard]] Result<std::span<const T>> values(std::string_view name, std::size_t rank,
                                                  std::vector<std::size_t>* shape = nullptr) const {
    CAIRN_ASSIGN_OR_RETURN(const TensorView* found, require(name, kDtypeOf<T>, rank));
    if (shape) *shape = found->shape;
    return std::span(reinterpret_cast<const T*>(found->bytes.data()), found->bytes.size() / sizeof(T));
  }

  /// INVALID_ARGUMENT "FILE: tensor 'NAME' FAULT".
  [[nodiscard]] Status fault(std::string_view name, const std::string& fault) const;

 private:
  TensorFile() = default;
  template <class Input>
  [[nodiscard]] static Result<TensorFile> read_from(const std::string& path, Input* input);
  /// Makes room for the data and lays the views over it. Requires: the header was checked against `data_bytes`.
  void place(TensorHeader header, std::uint64_t data_bytes);
  void align();
  [[nodiscard]] Result<const TensorView*> require(std::string_view name, Dtype dtype, std::size_t rank) const;

  std::string path_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
  std::uint64_t digest_ = 0;
  std::unique_ptr<std::uint64_t[]> words_;
  std::span<std::byte> data_;                            ///< a part of words_; the tensors view it
  std::vector<std::unique_ptr<std::uint64_t[]>> moved_;  ///< the tensors that were not aligned there
  std::map<std::string, std::string> unread_;            ///< dtypes of other tensors, by name
};

/// Writes a file, whole and on disk when it returns OK; what was under the name is overwritten, so give it a name that
/// no reader knows yet. Tensors are ordered by falling size of their numbers, then by name, so that each is aligned.
/// Requires: names are distinct, and each tensor's bytes are as many as dtype and shape say.
/// Returns: UNAVAILABLE naming the path.
[[nodiscard]] Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                                       const std::map<std::string, std::string>& metadata = {});

}  // namespace cairn::model
