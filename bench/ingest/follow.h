#pragma once

#include <fstream>
#include <string>

#include "bench/ingest/data.h"
#include "cairn/check.h"

namespace cairn::bench {

/// A file that an engine follows, and that the lines of another are appended to piece by piece.
class FollowedFile {
 public:
  FollowedFile(std::string path, const Data& data) : path_(std::move(path)), out_(path_), in_(data.events_path) {
    CAIRN_CHECK(out_.good() && in_.good());
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Appends the next `lines` in one go; the engine may read them while they are being written.
  void append(std::size_t lines) {
    std::string bytes;
    std::string line;
    for (std::size_t i = 0; i < lines && std::getline(in_, line); ++i) bytes += line + '\n';
    out_ << bytes << std::flush;
    CAIRN_CHECK(out_.good());
  }

 private:
  std::string path_;
  std::ofstream out_;
  std::ifstream in_;
};

}  // namespace cairn::bench
