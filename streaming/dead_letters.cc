#include "streaming/dead_letters.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "streaming/dead_letters_lines.h"
#include "streaming/dead_letters_sample.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {
namespace {

constexpr int kMode = 0640;  // payloads may hold what not everybody may read
constexpr std::chrono::minutes kAgeCheckPeriod{10};

std::string rotated(const std::string& path, int number) {
  return number == 0 ? path : path + "." + std::to_string(number);
}

/// A missing folder or file is trouble that may pass once the file had been opened.
Status retryable(Status status) {
  if (status.ok() || is_retryable(status.code())) return status;
  return unavailable(status.message());
}

// ---- files --------------------------------------------------------------------------------------------------------

/// Whether the file's last bytes, after its last newline, are what a crash leaves of an append. Anything else is
/// someone else's file, and not cut.
bool is_torn_letter(std::string_view tail) {
  // Zeros: some file systems lengthen a file before the crash and never write the bytes.
  constexpr std::string_view kStart = "{\"source\":\"";
  return tail.empty() || tail[0] == '\0' || tail.substr(0, kStart.size()) == kStart.substr(0, tail.size());
}

/// Reads the whole lines of the file.
/// Returns: their size, what follows is torn; FAILED_PRECONDITION when the file is none of dead letters.
Result<std::int64_t> note_lines(const posix::File& file, LettersWritten* written) {
  std::string buffer(2 * kLetterBytesMax, '\0');
  std::int64_t whole = 0;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file.read_at(buffer, whole));
    std::string_view rest(buffer.data(), n);
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      note_line(rest.substr(0, end), written);
      rest.remove_prefix(end + 1);
    }
    whole += static_cast<std::int64_t>(n - rest.size());
    const bool at_end = n < buffer.size();
    if (at_end ? !is_torn_letter(rest) : rest.size() == n) {
      return failed_precondition("'" + file.path() + "' holds something other than dead letters; name another file");
    }
    if (at_end) return whole;
  }
}

/// A file of letters that may be appended to at `size`.
struct OpenedFile {
  posix::File file;
  std::int64_t size = 0;
};

Result<OpenedFile> open_file(const std::string& path, LettersWritten* written) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path, O_RDWR | O_CREAT, kMode));
  CAIRN_RETURN_IF_ERROR(file.lock());
  CAIRN_ASSIGN_OR_RETURN(const std::int64_t size, note_lines(file, written));
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file.info());
  if (info.size > size) CAIRN_RETURN_IF_ERROR(file.truncate(size));
  if (info.size == 0) CAIRN_RETURN_IF_ERROR(posix::sync_directory(posix::directory_of(path)));
  return OpenedFile{std::move(file), size};
}

/// Notes what stands in files that were begun before. One that is not there, or is no longer whole, tells nothing: its
/// letters were on the disk long before any that a crash could bring again.
void note_rotated(const std::string& path, LettersWritten* written) {
  const auto file = posix::File::open(path, O_RDONLY);
  if (file.ok()) static_cast<void>(note_lines(*file, written));
}

// ---- what was left out --------------------------------------------------------------------------------------------

/// Letters of one partition that were not kept and of which the file does not tell yet.
struct LeftOut {
  std::array<std::uint64_t, kRejects> counts{};
  std::int64_t offset = 0;  ///< of the last
  EventTime seen{};
};

/// All that an append changes beside the file, so that one that fails changes nothing.
struct Account {
  LettersWritten handled;  ///< the last offset that was kept or counted, by partition
  std::map<LetterPartition, LeftOut> left_out;
  LetterSample sample;
  DeadLetterCounts counts;

  void leave_out(const LetterPartition& partition, const DeadLetter& letter) {
    const auto reason = static_cast<std::size_t>(letter.reason);
    LeftOut& out = left_out[partition];
    ++out.counts[reason];
    out.offset = letter.offset.value;
    out.seen = letter.seen;
    ++counts.not_kept[reason];
  }

  /// Appends the lines of what was left out, and begins anew.
  void append_left_out(std::string* lines) {
    for (const auto& [partition, out] : left_out) {
      for (std::size_t reason = 0; reason < out.counts.size(); ++reason) {
        if (out.counts[reason] == 0) continue;
        append_not_kept(partition, out.offset, static_cast<Reject>(reason), out.counts[reason], out.seen, lines);
      }
    }
    left_out.clear();
  }
};

class DeadLetterFile final : public DeadLetters {
 public:
  DeadLetterFile(std::string path, const DeadLetterOptions& options, OpenedFile opened, LettersWritten written)
      : path_(std::move(path)),
        options_(options),
        file_(std::move(opened.file)),
        size_(opened.size),
        account_{std::move(written), {}, LetterSample(options), {}} {}

  Status append(std::span<const DeadLetter> letters) override { return retryable(append_all(letters)); }

  Status settle(EventTime now) override {
    if (!account_.left_out.empty()) {
      Account next = account_;
      std::string lines;
      next.append_left_out(&lines);
      CAIRN_RETURN_IF_ERROR(retryable(write(lines, std::move(next))));
    }
    if (now - ages_checked_ < kAgeCheckPeriod && now >= ages_checked_) return ok_status();
    CAIRN_RETURN_IF_ERROR(retryable(remove_aged(now)));
    ages_checked_ = now;
    return ok_status();
  }

  Result<std::uint64_t> erase(const Wanted& wanted) override {
    auto erased = erase_all(wanted);
    if (!erased.ok()) return retryable(erased.status());
    return erased;
  }

  Status find(const Wanted& wanted, const std::function<void(std::string_view)>& see) const override {
    for (int number = options_.files_max - 1; number >= 0; --number) {
      CAIRN_ASSIGN_OR_RETURN(const std::string bytes, read_letters(rotated(path_, number)));
      for_each_line(bytes, [&](std::string_view line) {
        if (letter_has(line, wanted)) see(line);
      });
    }
    return ok_status();
  }

  DeadLetterCounts counts() const override { return account_.counts; }

 private:
  static void for_each_line(std::string_view bytes, const std::function<void(std::string_view line)>& see) {
    for (std::size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      see(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
    }
  }

  /// What stands in a file; nothing, when there is none.
  static Result<std::string> read_letters(const std::string& path) {
    auto bytes = posix::read_file(path);
    if (!bytes.ok() && bytes.status().code() == StatusCode::kNotFound) return std::string();
    return bytes;
  }

  Result<std::uint64_t> erase_all(const Wanted& wanted) {
    CAIRN_RETURN_IF_ERROR(find_end());
    std::uint64_t erased = 0;
    for (int number = options_.files_max - 1; number >= 0; --number) {
      const std::string path = rotated(path_, number);
      CAIRN_ASSIGN_OR_RETURN(const std::string bytes, read_letters(path));
      std::string kept;
      std::uint64_t gone = 0;
      for_each_line(bytes, [&](std::string_view line) {
        const bool goes = letter_has(line, wanted);
        gone += goes ? 1 : 0;
        goes ? append_erased(line, &kept) : static_cast<void>(kept.append(line).push_back('\n'));
      });
      if (gone == 0) continue;
      CAIRN_RETURN_IF_ERROR(posix::replace_file(path, kept));
      erased += gone;
      if (number == 0) CAIRN_RETURN_IF_ERROR(reopen());
    }
    return erased;
  }

  Status append_all(std::span<const DeadLetter> letters) {
    CAIRN_RETURN_IF_ERROR(find_end());
    Account next = account_;
    std::string lines;
    for (const DeadLetter& letter : letters) {
      const LetterPartition partition = partition_of(letter);
      const auto [it, fresh] = next.handled.try_emplace(partition, letter.offset.value);
      if (!fresh && letter.offset.value <= it->second) continue;  // it was handled, and comes after a crash
      it->second = letter.offset.value;
      ++next.counts.came[static_cast<std::size_t>(letter.reason)];
      if (!next.sample.keep(letter.reason, letter.seen)) {
        next.leave_out(partition, letter);
        continue;
      }
      append_letter(partition, letter, &lines);
      if (lines.size() < piece_bytes()) continue;
      CAIRN_RETURN_IF_ERROR(write_with_left_out(&lines, next));
      lines.clear();
    }
    if (!lines.empty()) return write_with_left_out(&lines, next);
    account_ = std::move(next);
    return ok_status();
  }

  /// An offset in the file says that all before it is accounted for, so nothing that was left out may be missing then.
  Status write_with_left_out(std::string* lines, Account& next) {
    next.append_left_out(lines);
    return write(*lines, next);
  }

  /// Puts the lines on the disk, and then `next` is what holds.
  Status write(const std::string& lines, Account next) {
    if (size_ > 0 && !fits(lines.size())) CAIRN_RETURN_IF_ERROR(begin_file());
    CAIRN_RETURN_IF_ERROR(find_end());
    unfinished_ = true;  // until it is synced, and also when this returns early
    CAIRN_RETURN_IF_ERROR(file_.write_at(lines, size_));
    CAIRN_RETURN_IF_ERROR(file_.sync());
    unfinished_ = false;
    size_ += static_cast<std::int64_t>(lines.size());
    account_ = std::move(next);
    return ok_status();
  }

  /// A long append is written in pieces that fit into a file.
  [[nodiscard]] std::uint64_t piece_bytes() const {
    return std::min<std::uint64_t>(kLetterBytesMax, options_.file_bytes_max / 2);
  }
  [[nodiscard]] bool fits(std::size_t bytes) const {
    return static_cast<std::uint64_t>(size_) + bytes <= options_.file_bytes_max;
  }

  /// What a failed append wrote is cut off, so that making it again writes each letter once. A file that was emptied
  /// from outside is begun anew, and one that was renamed or removed is left.
  Status find_end() {
    CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
    const auto named = posix::file_info(path_);
    if (!named.ok() && named.status().code() != StatusCode::kNotFound) return named.status();
    if (!named.ok() || named->id != info.id) return reopen();
    size_ = std::min(size_, info.size);
    if (!unfinished_) return ok_status();
    CAIRN_RETURN_IF_ERROR(file_.truncate(size_));
    unfinished_ = false;
    return ok_status();
  }

  Status reopen() {
    CAIRN_ASSIGN_OR_RETURN(OpenedFile opened, open_file(path_, &account_.handled));
    file_ = std::move(opened.file);
    size_ = opened.size;
    unfinished_ = false;
    return ok_status();
  }

  /// Moves the files on by one number and begins `path_` anew.
  Status begin_file() {
    if (options_.files_max < 2) {
      CAIRN_RETURN_IF_ERROR(file_.truncate(0));
      size_ = 0;
      return ok_status();
    }
    // From the oldest on: wherever this is cut short, no file is lost but the last one, and it may be made again.
    for (int number = options_.files_max - 1; number > 0; --number) {
      const std::string from = rotated(path_, number - 1);
      const std::string to = rotated(path_, number);
      if (std::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
        return posix::io_error("cannot rename to '" + to + "'", from, errno);
      }
    }
    return reopen();
  }

  Status remove_aged(EventTime now) {
    const EventTime oldest = now - options_.age_max;
    for (int number = 0; number < options_.files_max; ++number) {
      const std::string path = rotated(path_, number);
      const auto info = posix::file_info(path);
      if (!info.ok()) continue;
      if (event_time_from_ms(info->modified.tv_sec * 1000) >= oldest) continue;
      if (number == 0) {
        if (size_ == 0) continue;
        CAIRN_RETURN_IF_ERROR(file_.truncate(0));
        size_ = 0;
      } else if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return posix::io_error("cannot remove", path, errno);
      }
    }
    return ok_status();
  }

  // Fixed after construction.
  const std::string path_;
  const DeadLetterOptions options_;

  posix::File file_;
  std::int64_t size_;  ///< of the whole, synced lines
  bool unfinished_ = false;
  Account account_;
  EventTime ages_checked_{};
};

}  // namespace

Result<std::unique_ptr<DeadLetters>> open_dead_letter_file(const std::string& path, const DeadLetterOptions& options) {
  LettersWritten written;
  for (int number = options.files_max - 1; number > 0; --number) note_rotated(rotated(path, number), &written);
  CAIRN_ASSIGN_OR_RETURN(OpenedFile opened, open_file(path, &written));
  return std::unique_ptr<DeadLetters>(
      std::make_unique<DeadLetterFile>(path, options, std::move(opened), std::move(written)));
}

}  // namespace cairn::streaming
