#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn::cli {

/// Records on their way to the server as one NDJSON body, each with the line of the file it came from.
class Chunk {
 public:
  static constexpr std::size_t kRecordsMax = 1000;
  static constexpr std::size_t kBytesMax = 1'000'000;  // below the server's default limit of 1 MiB

  /// Whether a record of `bytes` fits beside what is here. One always fits into an empty chunk.
  [[nodiscard]] bool fits(std::size_t bytes) const noexcept {
    return records_.empty() || (records_.size() < kRecordsMax && bytes_ + bytes + 1 <= kBytesMax);
  }
  /// Whether a line stands in the same thousand of the file's lines as what is here.
  [[nodiscard]] bool reaches(std::uint64_t line) const noexcept {
    return records_.empty() || (line - 1) / kRecordsMax == (first_line() - 1) / kRecordsMax;
  }
  void add(std::string_view record, std::uint64_t line) {
    records_.push_back({std::string(record), line});
    bytes_ += record.size() + 1;
  }

  [[nodiscard]] bool empty() const noexcept { return records_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
  [[nodiscard]] const std::string& record(std::size_t index) const { return records_.at(index).text; }
  [[nodiscard]] std::uint64_t line(std::size_t index) const { return records_.at(index).line; }
  [[nodiscard]] std::uint64_t first_line() const { return records_.front().line; }
  [[nodiscard]] std::uint64_t last_line() const { return records_.back().line; }

  [[nodiscard]] std::string body() const {
    std::string text;
    text.reserve(bytes_);
    for (const Record& record : records_) {
      text += record.text;
      text += '\n';
    }
    return text;
  }

  /// The first and the second half, for a server whose limit is lower than ours. Requires: size() > 1.
  [[nodiscard]] std::pair<Chunk, Chunk> halves() const {
    std::pair<Chunk, Chunk> split;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      (i < records_.size() / 2 ? split.first : split.second).add(records_[i].text, records_[i].line);
    }
    return split;
  }

 private:
  struct Record {
    std::string text;
    std::uint64_t line;
  };
  std::vector<Record> records_;
  std::size_t bytes_ = 0;
};

}  // namespace cairn::cli
