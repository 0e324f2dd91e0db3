#include "streaming/log/segment.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "streaming/log/crc32c.h"

namespace cairn::streaming {
namespace {

constexpr std::string_view kMagic = "CAIRNLOG";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 24;  // magic 8, version 4, start 8, checksum 4
constexpr std::string_view kSuffix = ".events";
constexpr int kNameDigits = 20;
constexpr std::size_t kWindowBytes = 1 << 20;  // read at once: many records, and little memory

std::string header(Offset start) {
  std::string bytes(kMagic);
  append_u32(kVersion, &bytes);
  append_u64(static_cast<std::uint64_t>(start.value), &bytes);
  append_u32(crc32c(bytes), &bytes);
  return bytes;
}

Result<std::string> read_header(const posix::File& file) {
  std::string bytes(kHeaderBytes, '\0');
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file.read_at(bytes, 0));
  bytes.resize(n);
  return bytes;
}

/// The version of the segment whose header `bytes` are, when they are the header of another version than ours. A later
/// version may have another layout behind its number, so the checksum is asked of earlier ones only; a number that is
/// all that differs from our header is a damaged one.
std::optional<std::uint32_t> other_version(std::string_view bytes, Offset start) {
  constexpr std::size_t kNumberEnd = 12;
  if (bytes.size() != kHeaderBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::uint32_t version = load_u32(bytes.data() + kMagic.size());
  if (version == kVersion || bytes.substr(kNumberEnd) == std::string_view(header(start)).substr(kNumberEnd)) {
    return std::nullopt;
  }
  const std::size_t summed = kHeaderBytes - sizeof(std::uint32_t);
  const bool sound = load_u32(bytes.data() + summed) == crc32c(bytes.substr(0, summed));
  return version > kVersion || sound ? std::optional(version) : std::nullopt;
}

Status refuse_version(const std::string& path, std::uint32_t version) {
  const std::string writer = version > kVersion ? "was written by a newer Cairn: it has version " : "has version ";
  return failed_precondition("'" + path + "' " + writer + std::to_string(version) +
                             " of the event log's format and this version of Cairn reads " + std::to_string(kVersion) +
                             "; use the version that wrote it, or let the events be sent again into another state.dir");
}

std::optional<Offset> start_from_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::int64_t start = 0;
  const auto read = std::from_chars(name.data(), name.data() + kNameDigits, start);
  if (read.ec != std::errc{} || read.ptr != name.data() + kNameDigits || start < 0) return std::nullopt;
  return Offset{start};
}

}  // namespace

std::string Segment::path(const std::string& directory, Offset start) {
  char name[kNameDigits + 1];
  std::snprintf(name, sizeof name, "%020lld", static_cast<long long>(start.value));
  return directory + "/" + name + std::string(kSuffix);
}

Result<std::shared_ptr<Segment>> Segment::create(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path(directory, start), O_RDWR | O_CREAT | O_TRUNC));
  CAIRN_RETURN_IF_ERROR(file.write_at(header(start), 0));
  CAIRN_RETURN_IF_ERROR(file.sync());
  CAIRN_RETURN_IF_ERROR(posix::sync_directory(directory));  // before any record: see sync_directory()
  return std::shared_ptr<Segment>(new Segment(std::move(file), start));
}

Result<std::shared_ptr<Segment>> Segment::open(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path(directory, start), O_RDWR));
  CAIRN_ASSIGN_OR_RETURN(const std::string found, read_header(file));
  if (const auto version = other_version(found, start)) return refuse_version(file.path(), *version);
  if (found != header(start)) {
    return data_loss("'" + file.path() + "' does not begin with its segment header");
  }
  return std::shared_ptr<Segment>(new Segment(std::move(file), start));
}

Result<std::shared_ptr<Segment>> Segment::mend(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(posix::File file, posix::File::open(path(directory, start), O_RDWR));
  CAIRN_ASSIGN_OR_RETURN(const std::string found, read_header(file));
  if (const auto version = other_version(found, start)) return refuse_version(file.path(), *version);
  CAIRN_RETURN_IF_ERROR(file.write_at(header(start), 0));
  CAIRN_RETURN_IF_ERROR(file.sync());
  return std::shared_ptr<Segment>(new Segment(std::move(file), start));
}

Result<std::vector<Offset>> Segment::list(const std::string& directory) {
  std::vector<Offset> starts;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (const auto start = start_from_name(it->path().filename().string())) starts.push_back(*start);
  }
  if (error) return posix::io_error("cannot list", directory, error.value());
  std::sort(starts.begin(), starts.end());
  return starts;
}

Result<bool> Segment::is_unfinished(const std::string& directory, Offset start) {
  CAIRN_ASSIGN_OR_RETURN(const posix::File file, posix::File::open(path(directory, start), O_RDONLY));
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file.info());
  // Records are written only after create() has returned, so a longer file had a whole header once.
  if (info.size > static_cast<std::int64_t>(kHeaderBytes)) return false;
  CAIRN_ASSIGN_OR_RETURN(const std::string found, read_header(file));
  return found != header(start) && !other_version(found, start);
}

Result<Offset> Segment::end_of_file() const {
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
  return Offset{start_.value + info.size - static_cast<std::int64_t>(kHeaderBytes)};
}

Status Segment::read(Offset offset, std::size_t bytes, std::string* into) const {
  into->resize(bytes);
  CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file_.read_at(*into, kHeaderBytes + offset.value - start_.value));
  into->resize(n);
  return ok_status();
}

Status Segment::write(Offset offset, std::string_view bytes) {
  return file_.write_at(bytes, kHeaderBytes + offset.value - start_.value);
}

Status Segment::cut(Offset end) { return file_.truncate(kHeaderBytes + end.value - start_.value); }

Status Segment::copy(const std::string& directory) const {
  CAIRN_ASSIGN_OR_RETURN(posix::File to, posix::File::open(path(directory, start_), O_WRONLY | O_CREAT | O_EXCL));
  CAIRN_RETURN_IF_ERROR(copy_bytes(to));
  return to.sync();
}

Status Segment::write_copy(const std::string& path, const Edit& edit) const {
  CAIRN_ASSIGN_OR_RETURN(posix::File to, posix::File::open(path, O_WRONLY | O_CREAT | O_TRUNC));
  CAIRN_RETURN_IF_ERROR(copy_bytes(to));
  CAIRN_RETURN_IF_ERROR(edit(to, static_cast<std::int64_t>(kHeaderBytes)));
  return to.sync();
}

Status Segment::copy_bytes(posix::File& to) const {
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
  std::string bytes;
  for (std::int64_t at = 0; at < info.size;) {
    bytes.resize(std::min(kWindowBytes, static_cast<std::size_t>(info.size - at)));
    CAIRN_ASSIGN_OR_RETURN(const std::size_t n, file_.read_at(bytes, at));
    if (n == 0) break;
    CAIRN_RETURN_IF_ERROR(to.write_at(std::string_view(bytes).substr(0, n), at));
    at += static_cast<std::int64_t>(n);
  }
  return ok_status();
}

Status Segment::check_end(Offset end) const {
  CAIRN_ASSIGN_OR_RETURN(const posix::FileInfo info, file_.info());
  if (info.links == 0) return data_loss("'" + path() + "' was removed while it was open");
  const Offset found{start_.value + info.size - static_cast<std::int64_t>(kHeaderBytes)};
  if (found == end) return ok_status();
  return data_loss("'" + path() + "' ends at offset " + std::to_string(found.value) + " and was written up to offset " +
                   std::to_string(end.value) + ": somebody else has changed it");
}

Result<ParsedRecord> RecordWalk::next() {
  const auto available = static_cast<std::size_t>(end_.value - at_.value);
  const auto parse = [&] {
    const auto skip = std::min(static_cast<std::size_t>(at_.value - window_start_.value), window_.size());
    return parse_record(at_, std::string_view(window_).substr(skip, available));
  };
  ParsedRecord record = parse();
  if (record.found == ParsedRecord::Found::kCutOff && record.bytes_needed <= available) {
    // The window ends within the record: move it here, and make it large enough once the length is known.
    const std::size_t wanted = std::min(available, std::max(kWindowBytes, record.bytes_needed));
    CAIRN_RETURN_IF_ERROR(segment_.read(at_, wanted, &window_));
    window_start_ = at_;
    record = parse();
    // Of a record whose header was cut off the length is known only now.
    if (record.found == ParsedRecord::Found::kCutOff && wanted < record.bytes_needed &&
        record.bytes_needed <= available) {
      CAIRN_RETURN_IF_ERROR(segment_.read(at_, record.bytes_needed, &window_));
      record = parse();
    }
  }
  if (record.found == ParsedRecord::Found::kWhole) at_.value += static_cast<std::int64_t>(record.bytes_needed);
  return record;
}

Result<Tail> find_tail(const Segment& segment) {
  CAIRN_ASSIGN_OR_RETURN(const Offset file_end, segment.end_of_file());
  RecordWalk walk(segment, segment.start(), file_end);
  while (!walk.at_end()) {
    CAIRN_ASSIGN_OR_RETURN(const ParsedRecord record, walk.next());
    if (record.found != ParsedRecord::Found::kWhole) break;
  }
  Tail tail{.end = walk.offset(), .damaged = std::nullopt};
  std::string rest;
  CAIRN_RETURN_IF_ERROR(segment.read(tail.end, static_cast<std::size_t>(file_end.value - tail.end.value), &rest));
  // Where the next record begins is not known behind a damaged length, so every byte is tried. The checksum covers the
  // offset, and so nothing that merely looks like a record is taken for one.
  for (std::size_t i = 1; i + kRecordHeaderBytes <= rest.size();) {
    const Offset offset{tail.end.value + static_cast<std::int64_t>(i)};
    const ParsedRecord record = parse_record(offset, std::string_view(rest).substr(i));
    const bool whole = record.found == ParsedRecord::Found::kWhole;
    if (whole && record.group_start > tail.end) {
      tail.damaged = tail.end;
      break;
    }
    i += whole ? record.bytes_needed : 1;
  }
  return tail;
}

Result<Offset> next_whole_record(const Segment& segment, Offset from, Offset end) {
  std::string rest;
  CAIRN_RETURN_IF_ERROR(segment.read(from, static_cast<std::size_t>(end.value - from.value), &rest));
  for (std::size_t i = 0; i + kRecordHeaderBytes <= rest.size(); ++i) {
    const Offset offset{from.value + static_cast<std::int64_t>(i)};
    if (parse_record(offset, std::string_view(rest).substr(i)).found == ParsedRecord::Found::kWhole) return offset;
  }
  return end;
}

}  // namespace cairn::streaming
