#include "engine/upkeep/erasure_notes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

namespace cairn::upkeep {

namespace fs = std::filesystem;

namespace {

constexpr const char* kHead = "cairn erasing 1";

std::string to_hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : bytes) hex.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
  std::string bytes;
  if (hex.size() % 2 != 0) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned value = 0;
    const auto read = std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    if (read.ec != std::errc{} || read.ptr != hex.data() + i + 2) return std::nullopt;
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

std::string to_text(const std::vector<ErasureNote>& notes) {
  std::ostringstream text;
  text << kHead << '\n';
  for (const ErasureNote& note : notes) {
    text << to_hex(note.user.str()) << ' ' << to_ms(note.at) << ' ' << note.log_end.value;
    for (const std::string& part : note.done) text << ' ' << part;
    text << '\n';
  }
  return std::move(text).str();
}

std::optional<ErasureNote> read_note(const std::string& line) {
  std::istringstream in(line);
  std::string hex;
  std::int64_t ms = 0;
  ErasureNote note;
  if (!(in >> hex >> ms >> note.log_end.value)) return std::nullopt;
  const auto id = from_hex(hex);
  if (!id || !valid_id(*id)) return std::nullopt;
  note.user = UserId(*id);
  note.at = event_time_from_ms(ms);
  for (std::string part; in >> part;) note.done.insert(part);
  return note;
}

Status trouble(const std::string& what, const std::string& path) {
  const int error = errno;
  const std::string text = what + " '" + path + "': " + std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) return resource_exhausted(text + "; free space on its disk");
  return unavailable(text);
}

Status write_synced(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return trouble("cannot write", path);
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = ::write(fd, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written += static_cast<std::size_t>(n);
  }
  Status status = written == text.size() && ::fsync(fd) == 0 ? ok_status() : trouble("cannot write", path);
  ::close(fd);
  return status;
}

Status sync_folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Status status = fd >= 0 && ::fsync(fd) == 0 ? ok_status() : trouble("cannot sync", folder);
  if (fd >= 0) ::close(fd);
  return status;
}

}  // namespace

Status ErasureNotes::load() {
  notes_.clear();
  std::error_code error;
  fs::remove(path_ + ".new", error);
  std::ifstream in(path_);
  if (!in) return fs::exists(path_, error) ? unavailable("cannot read '" + path_ + "'") : ok_status();
  std::string line;
  bool sound = std::getline(in, line) && line == kHead;
  while (sound && std::getline(in, line)) {
    auto note = read_note(line);
    sound = note.has_value();
    if (note) notes_.push_back(*std::move(note));
  }
  if (sound) return ok_status();
  return data_loss("'" + path_ + "' is no list of users to erase; remove it, and erase again whoever is to be erased");
}

Status ErasureNotes::put(const ErasureNote& note) {
  std::vector<ErasureNote> next = notes_;
  std::erase_if(next, [&](const ErasureNote& one) { return one.user == note.user; });
  next.push_back(note);
  return save(std::move(next));
}

Status ErasureNotes::remove(const UserId& user) {
  std::vector<ErasureNote> next = notes_;
  std::erase_if(next, [&](const ErasureNote& one) { return one.user == user; });
  return save(std::move(next));
}

Status ErasureNotes::save(std::vector<ErasureNote> notes) {
  if (notes.empty()) {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return trouble("cannot remove", path_);
  } else {
    CAIRN_RETURN_IF_ERROR(write_synced(path_ + ".new", to_text(notes)));
    if (std::rename((path_ + ".new").c_str(), path_.c_str()) != 0) return trouble("cannot rename to", path_);
  }
  notes_ = std::move(notes);
  return sync_folder_of(path_);
}

}  // namespace cairn::upkeep
