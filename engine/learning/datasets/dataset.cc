#include "engine/learning/datasets/dataset.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>

#include "cairn/rfc3339.h"

namespace cairn::datasets {
namespace {

void append_json_text(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      *out += escape;
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void append_text_member(std::string_view name, std::string_view text, std::string* out) {
  if (text.empty()) return;
  *out += out->back() == '{' ? "\"" : ",\"";
  *out += name;
  *out += "\":";
  append_json_text(text, out);
}

void append_number_member(std::string_view name, double number, std::string* out) {
  char digits[32];
  char* const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  *out += ",\"";
  *out += name;
  *out += "\":";
  out->append(digits, end);
}

void append_position(GeoPoint position, std::string* out) {
  append_number_member("lat", position.lat, out);
  append_number_member("lon", position.lon, out);
}

void append_place(const Place& place, std::string* out) {
  *out += '{';
  append_text_member("place_id", place.id.str(), out);
  append_text_member("name", place.name, out);
  append_position(place.position, out);
  append_text_member("category", place.category, out);
  *out += "}\n";
}

void append_interaction(const Interaction& event, std::string* out) {
  *out += '{';
  append_text_member("user_id", event.user.str(), out);
  append_text_member("place_id", event.place.str(), out);
  append_text_member("type", InteractionTypes::kBuiltIn[event.type.value], out);
  append_text_member("ts", format_rfc3339(event.time), out);
  if (event.value) append_number_member("value", *event.value, out);
  if (event.position) append_position(*event.position, out);
  append_text_member("event_id", event.event_id, out);
  *out += "}\n";
}

Status io_failure(const std::string& path, const char* doing) {
  return unavailable(path + ": " + doing + ": " + std::strerror(errno));
}

using AppendLine = std::function<void(std::size_t index, std::string* out)>;

Status write_lines(const std::string& path, std::size_t count, const AppendLine& append_line) {
  constexpr std::size_t kChunkBytes = 1u << 20;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), &std::fclose);
  if (!file) return io_failure(path, "cannot be created");
  std::string chunk;
  for (std::size_t i = 0; i < count; ++i) {
    append_line(i, &chunk);
    if (chunk.size() < kChunkBytes && i + 1 < count) continue;
    if (std::fwrite(chunk.data(), 1, chunk.size(), file.get()) != chunk.size()) return io_failure(path, "write failed");
    chunk.clear();
  }
  return std::fclose(file.release()) == 0 ? ok_status() : io_failure(path, "write failed");
}

/// Writes beside `path`, then gives the whole file its name.
Status write_file(const std::string& path, std::size_t count, const AppendLine& append_line) {
  const std::string part = path + ".part";
  Status status = write_lines(part, count, append_line);
  if (status.ok() && std::rename(part.c_str(), path.c_str()) != 0)
    status = io_failure(path, "cannot be renamed from .part");
  if (!status.ok()) std::remove(part.c_str());
  return status;
}

}  // namespace

void sort_by_time(std::vector<Interaction>* interactions) {
  std::stable_sort(interactions->begin(), interactions->end(),
                   [](const Interaction& a, const Interaction& b) { return a.time < b.time; });
}

Status write_places_ndjson(const std::string& path, std::span<const Place> places) {
  return write_file(path, places.size(), [&](std::size_t i, std::string* out) { append_place(places[i], out); });
}

Status write_interactions_ndjson(const std::string& path, std::span<const Interaction> interactions) {
  return write_file(path, interactions.size(),
                    [&](std::size_t i, std::string* out) { append_interaction(interactions[i], out); });
}

}  // namespace cairn::datasets
