#include "streaming/dead_letters.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include "cairn/rfc3339.h"
#include "cairn/utf8.h"
#include "streaming/posix/file.h"

namespace cairn::streaming {
namespace {

constexpr std::size_t kPayloadKept = 64 << 10;
/// The longest line this writer makes: a payload of control characters, each escaped with six bytes, and the rest.
constexpr std::size_t kLineBytesLongest = 1 << 20;

/// Where a partition's letters come from, and how far they are in the file.
using PartitionKey = std::pair<std::string, std::int32_t>;
using Written = std::map<PartitionKey, std::int64_t, std::less<>>;

void append_escaped(std::string_view text, std::string* out) {
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[7];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out->append(escaped);
    } else {
      out->push_back(c);
    }
  }
}

/// A JSON string of `text`; bytes that are no UTF-8 are replaced.
void append_string(std::string_view text, std::string* out) {
  out->push_back('"');
  if (is_utf8(text)) {
    append_escaped(text, out);
  } else {
    std::string ascii(text);
    std::replace_if(
        ascii.begin(), ascii.end(), [](char c) { return (c & 0x80) != 0; }, '?');
    append_escaped(ascii, out);
  }
  out->push_back('"');
}

/// RFC 4648, section 4.
void append_base64(std::string_view bytes, std::string* out) {
  constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto byte = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) : 0U;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out->push_back(kAlphabet[three >> 18 & 63]);
    out->push_back(kAlphabet[three >> 12 & 63]);
    out->push_back(i + 1 < bytes.size() ? kAlphabet[three >> 6 & 63] : '=');
    out->push_back(i + 2 < bytes.size() ? kAlphabet[three & 63] : '=');
  }
}

/// The first kPayloadKept bytes; of a text, without the pieces of a character at the cut.
std::string_view kept_part(std::string_view payload) {
  if (payload.size() <= kPayloadKept) return payload;
  const std::string_view cut = payload.substr(0, kPayloadKept);
  // A character has four bytes at most. A payload that is no UTF-8 anyway is cut where it falls.
  for (std::size_t back = 0; back < 4; ++back) {
    const std::string_view shorter = cut.substr(0, cut.size() - back);
    if (is_utf8(shorter)) return shorter;
  }
  return cut;
}

void append_payload(std::string_view payload, std::string* out) {
  const std::string_view kept = kept_part(payload);
  if (is_utf8(kept)) {
    out->append("\"payload\":");
    append_string(kept, out);
  } else {
    out->append("\"payload_base64\":\"");
    append_base64(kept, out);
    out->push_back('"');
  }
  if (kept.size() < payload.size()) out->append(",\"payload_bytes\":").append(std::to_string(payload.size()));
}

void append_line(const DeadLetter& letter, std::string* out) {
  out->append("{\"source\":");
  append_string(letter.source, out);
  out->append(",\"partition\":").append(std::to_string(letter.partition.value));
  out->append(",\"offset\":").append(std::to_string(letter.offset.value));
  out->append(",\"reason\":\"").append(to_string(letter.reason));
  out->append("\",\"detail\":");
  append_string(letter.detail, out);
  out->append(",\"seen\":\"").append(format_rfc3339(letter.seen, Rfc3339Fraction::kAlways)).append("\",");
  append_payload(letter.payload, out);
  out->append("}\n");
}

/// Reads what append_line() wrote, from the front.
class LineScan {
 public:
  explicit LineScan(std::string_view line) : rest_(line) {}

  bool literal(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  /// Up to the closing quote, as it stands in the file: an escaped name serves as a key as well as the name.
  std::optional<std::string_view> escaped_text() {
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        const std::string_view text = rest_.substr(0, i);
        rest_.remove_prefix(i + 1);
        return text;
      }
    }
    return std::nullopt;
  }

  template <class Number>
  bool number(Number* value) {
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *value);
    if (read.ec != std::errc{}) return false;
    rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
    return true;
  }

 private:
  std::string_view rest_;
};

PartitionKey key_of(const DeadLetter& letter) {
  std::string quoted;
  append_string(letter.source, &quoted);
  return {quoted.substr(1, quoted.size() - 2), letter.partition.value};
}

/// Lines that this writer did not make are let stand and tell nothing.
void note_line(std::string_view line, Written* written) {
  LineScan scan(line);
  PartitionKey key;
  std::int64_t offset = 0;
  if (!scan.literal("{\"source\":\"")) return;
  const auto source = scan.escaped_text();
  if (!source || !scan.literal(",\"partition\":") || !scan.number(&key.second)) return;
  if (!scan.literal(",\"offset\":") || !scan.number(&offset)) return;
  key.first = *source;
  const auto [it, fresh] = written->try_emplace(std::move(key), offset);
  if (!fresh) it->second = std::max(it->second, offset);
}

class DeadLetterFile final : public DeadLetters {
 public:
  DeadLetterFile(posix::File file, std::int64_t size, Written written)
      : file_(std::move(file)), size_(size), written_(std::move(written)) {}

  Status append(std::span<const DeadLetter> letters) override {
    CAIRN_RETURN_IF_ERROR(find_end());
    Written written = written_;
    std::string lines;
    for (const DeadLetter& letter : letters) {
      const auto [it, fresh] = written.try_emplace(key_of(letter), letter.offset.value);
      if (!fresh && letter.offset.value <= it->second) continue;  // it stands in the file, and comes after a crash
      it->second = letter.offset.value;
      append_line(letter, &lines);
    }
    if (lines.empty()) return ok_status();
    unfinished_ = true;  // until it is synced, and also when this returns early
    CAIRN_RETURN_IF_ERROR(file_.write_at(lines, size_));
    CAIRN_RETURN_IF_ERROR(file_.sync());
    unfinished_ = false;
    size_ += static_cast<std::int64_t>(lines.size());
    written_ = std::move(written);
    return ok_status();
  }

 private:
  /// What a failed append wrote is cut off, so that making it again writes each letter once. A file that was emptied
  /// from outside is begun anew.
  Status find_end() {
    CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
    size_ = std::min(size_, info.size);
    if (!unfinished_) return ok_status();
    CAIRN_RETURN_IF_ERROR(file_.truncate(size_));
    unfinished_ = false;
    return ok_status();
  }

  posix::File file_;
  std::int64_t size_;  ///< of the whole, synced lines
  bool unfinished_ = false;
  Written written_;  ///< the last offset in the file, by partition
};

/// Whether the file's last bytes, after its last newline, are what a crash leaves of an append. Anything else is
/// someone else's file, and not cut.
bool is_torn_letter(std::string_view tail) {
  // Zeros: some file systems lengthen a file before the crash and never write the bytes.
  constexpr std::string_view kStart = "{\"source\":\"";
  return tail.empty() || tail[0] == '\0' || tail.substr(0, kStart.size()) == kStart.substr(0, tail.size());
}

/// Reads the whole lines of the file.
/// Returns: their size, what follows is torn; FAILED_PRECONDITION when the file is none of dead letters.
Result<std::int64_t> note_lines(const posix::File& file, Written* written) {
  std::string buffer(2 * kLineBytesLongest, '\0');
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

}  // namespace

Result<std::unique_ptr<DeadLetters>> open_dead_letter_file(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path, O_RDWR | O_CREAT, 0640));
  CAIRN_RETURN_IF_ERROR(file.lock());
  Written written;
  CAIRN_ASSIGN_OR_RETURN(const std::int64_t size, note_lines(file, &written));
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file.info());
  if (info.size > size) CAIRN_RETURN_IF_ERROR(file.truncate(size));
  if (info.size == 0) CAIRN_RETURN_IF_ERROR(posix::sync_directory(posix::directory_of(path)));
  return std::unique_ptr<DeadLetters>(std::make_unique<DeadLetterFile>(std::move(file), size, std::move(written)));
}

}  // namespace cairn::streaming
