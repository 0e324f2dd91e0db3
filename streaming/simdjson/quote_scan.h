#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Finding the quotes of a text, 64 bytes at a time, for each instruction set. All find the same.

namespace cairn::streaming {

/// What stands where in 64 bytes; bit i is about byte i.
struct ByteClasses {
  std::uint64_t quotes = 0;
  std::uint64_t odd = 0;   ///< backslashes and control characters (below 0x20)
  std::uint64_t high = 0;  ///< 0x80 and above: parts of characters that are not ASCII
};

inline constexpr std::size_t kScanBytes = 64;

/// Writes `base` and the number of each bit of `bits`. Returns: how many; up to 7 more places are written over.
inline std::size_t write_places(std::uint64_t bits, std::size_t base, std::uint16_t* to) noexcept {
  // Eight at a time, needed or not: how many there are is what no branch predictor knows.
  const auto count = static_cast<std::size_t>(std::popcount(bits));
  for (std::size_t done = 0; done < count; done += 8) {
    for (std::size_t i = 0; i < 8; ++i) {
      to[done + i] = static_cast<std::uint16_t>(base + static_cast<std::size_t>(std::countr_zero(bits)));
      bits &= bits - 1;
    }
  }
  return count;
}

/// Each instruction set is a type with two functions: classify() asks for 64 readable bytes, write() is write_places().
struct ScanPortable {
  static ByteClasses classify(const char* bytes) noexcept {
    ByteClasses found;
    for (std::size_t i = 0; i < kScanBytes; ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      const auto bit = [i](bool is) { return static_cast<std::uint64_t>(is) << i; };
      found.quotes |= bit(byte == '"');
      found.odd |= bit(byte == '\\' || byte < 0x20);
      found.high |= bit(byte >= 0x80);
    }
    return found;
  }
  static std::size_t write(std::uint64_t bits, std::size_t base, std::uint16_t* to) noexcept {
    return write_places(bits, base, to);
  }
};

#if defined(__x86_64__)
/// What every x86-64 has.
struct ScanSse2 : ScanPortable {
  static ByteClasses classify(const char* bytes) noexcept {
    ByteClasses found;
    for (unsigned i = 0; i < kScanBytes; i += 16) {
      const __m128i chunk = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
      const __m128i backslash = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'));
      const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(chunk, _mm_set1_epi8(0x1F)), chunk);
      found.quotes |= mask(_mm_cmpeq_epi8(chunk, _mm_set1_epi8('"'))) << i;
      found.odd |= mask(_mm_or_si128(backslash, control)) << i;
      found.high |= mask(chunk) << i;
    }
    return found;
  }

 private:
  static std::uint64_t mask(__m128i where) noexcept { return static_cast<unsigned>(_mm_movemask_epi8(where)); }
};

#define CAIRN_SCAN_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
struct ScanAvx2 : ScanPortable {
  CAIRN_SCAN_AVX2 static ByteClasses classify(const char* bytes) noexcept {
    ByteClasses found;
    for (unsigned i = 0; i < kScanBytes; i += 32) {
      const __m256i chunk = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + i));
      const __m256i backslash = _mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('\\'));
      const __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(chunk, _mm256_set1_epi8(0x1F)), chunk);
      found.quotes |= mask(_mm256_cmpeq_epi8(chunk, _mm256_set1_epi8('"'))) << i;
      found.odd |= mask(_mm256_or_si256(backslash, control)) << i;
      found.high |= mask(chunk) << i;
    }
    return found;
  }

 private:
  CAIRN_SCAN_AVX2 static std::uint64_t mask(__m256i where) noexcept {
    return static_cast<unsigned>(_mm256_movemask_epi8(where));
  }
};

#define CAIRN_SCAN_AVX512 __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")))
struct ScanAvx512 {
  CAIRN_SCAN_AVX512 static ByteClasses classify(const char* bytes) noexcept {
    const __m512i chunk = _mm512_loadu_si512(bytes);
    return {.quotes = _mm512_cmpeq_epi8_mask(chunk, _mm512_set1_epi8('"')),
            .odd = _mm512_cmpeq_epi8_mask(chunk, _mm512_set1_epi8('\\')) |
                   _mm512_cmplt_epu8_mask(chunk, _mm512_set1_epi8(0x20)),
            .high = _mm512_movepi8_mask(chunk)};
  }
  /// The numbers 0 to 63 are packed by the bits: no loop, up to 32 of them. (The forms with a mask of all ones are
  /// those that GCC 12 does not warn of.)
  CAIRN_SCAN_AVX512 static std::size_t write(std::uint64_t bits, std::size_t base, std::uint16_t* to) noexcept {
    const auto count = static_cast<std::size_t>(_mm_popcnt_u64(bits));
    const __m512i packed = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(kNumbers.data()));
    const __m512i start = _mm512_set1_epi16(static_cast<short>(base));
    const __m512i first = _mm512_cvtepu8_epi16(_mm512_maskz_extracti64x4_epi64(0xF, packed, 0));
    _mm512_storeu_si512(to, _mm512_add_epi16(first, start));
    if (count > 32) {
      const __m512i rest = _mm512_cvtepu8_epi16(_mm512_maskz_extracti64x4_epi64(0xF, packed, 1));
      _mm512_storeu_si512(to + 32, _mm512_add_epi16(rest, start));
    }
    return count;
  }

 private:
  static constexpr std::array<std::uint8_t, kScanBytes> kNumbers = [] {
    std::array<std::uint8_t, kScanBytes> numbers{};
    for (std::size_t i = 0; i < kScanBytes; ++i) numbers[i] = static_cast<std::uint8_t>(i);
    return numbers;
  }();
};
#endif

/// Where the quotes of a text stand, provided that every one of them opens or closes a string: a text without
/// backslashes and control characters.
class QuoteScan {
 public:
  static constexpr std::size_t kBytesMax = 1024;
  static constexpr std::size_t kQuotesMax = 64;

  /// Returns: false for a text that is longer than kBytesMax, holds a backslash or a control character, more than
  /// kQuotesMax quotes, or an odd number of them.
  /// Requires: 63 readable bytes after `text`.
  template <class Set>
  [[nodiscard]] bool scan(std::string_view text) noexcept {
    if (text.size() > kBytesMax) return false;
    count_ = 0;
    std::uint64_t odd = 0;
    std::uint64_t high = 0;
    for (std::size_t at = 0; at < text.size() && count_ <= kQuotesMax; at += kScanBytes) {
      const std::size_t left = text.size() - at;
      const std::uint64_t inside = left < kScanBytes ? (std::uint64_t{1} << left) - 1 : ~std::uint64_t{0};
      const ByteClasses found = Set::classify(text.data() + at);
      odd |= found.odd & inside;
      high |= found.high & inside;
      count_ += Set::write(found.quotes & inside, at, at_.data() + count_);
    }
    ascii_ = high == 0;
    if (odd != 0 || count_ > kQuotesMax || count_ % 2 != 0) return false;
    at_[count_] = kNone;
    return true;
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// The byte at which quote `i` stands; for i == count(), a place that no text has.
  [[nodiscard]] std::size_t operator[](std::size_t i) const noexcept { return at_[i]; }
  [[nodiscard]] bool ascii() const noexcept { return ascii_; }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;

  std::array<std::uint16_t, kQuotesMax + kScanBytes> at_;  ///< room for one more block of quotes alone
  std::size_t count_ = 0;
  bool ascii_ = true;
};

}  // namespace cairn::streaming
