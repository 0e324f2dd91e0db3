#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "streaming/event_times.h"
#include "tools/cairn/line_source.h"

namespace cairn::cli {

/// What is said on the command line about a file whose columns and members are not Cairn's own.
struct MappingArguments {
  std::vector<std::string> map;       ///< THEIRS=OURS
  std::vector<std::string> type_map;  ///< THEIRS=OURS
  std::string time_format;
  std::string time_zone;
  bool ignore_extra = false;
  bool extra_as_attributes = false;
  Encoding encoding = Encoding::kUtf8;
};

/// Adds --map, --ignore-extra and --encoding, and for events --type-map, --time-format and --time-zone. `arguments`
/// must outlive `command`.
void add_mapping_options(CLI::App* command, MappingArguments* arguments, bool events);

/// A field that records have, and what it holds.
struct Field {
  enum class Kind : std::uint8_t { kText, kNumber, kTime, kType, kObject };

  std::string_view name;
  Kind kind = Kind::kText;
  bool required = false;
};

/// What kind of records a file is to hold.
struct RecordKind {
  std::string_view noun;  ///< "place"
  std::span<const Field> fields;
  /// Whether a member of JSON that is no field is left out without a word: events may hold whatever they like.
  bool open = false;
  /// The field that a name probably is; empty: none.
  std::string_view (*likely)(std::string_view name) = nullptr;
};

[[nodiscard]] const RecordKind& place_kind();
[[nodiscard]] const RecordKind& event_kind();

/// Turns records of files into JSON objects with Cairn's own names, as the server reads them. Values stay as they are
/// written, but for times and types that are mapped, and numbers in quotes, which become numbers. One thread.
class RecordMapping {
 public:
  /// `kind` must outlive the mapping. Returns: INVALID_ARGUMENT for an option that says nothing that could be meant.
  [[nodiscard]] static Result<RecordMapping> make(const RecordKind& kind, const MappingArguments& arguments);

  /// Whether nothing was said, so that a record of JSON in Cairn's own words is to stay as it is.
  [[nodiscard]] bool plain() const noexcept { return plain_; }

  /// Reads the heading of CSV. Returns: INVALID_ARGUMENT naming the columns that are unknown, missing or repeated, and
  /// what to do about it.
  [[nodiscard]] Status set_heading(const std::vector<std::string>& columns);
  /// A record under that heading; empty fields are left out. Returns: INVALID_ARGUMENT for too many or too few fields,
  /// and of a kind that is not open for one that is no number.
  [[nodiscard]] Result<std::string> from_fields(const std::vector<std::string>& fields) const;

  /// A JSON object; of a Feature of GeoJSON its properties, its id and its point.
  /// Returns: INVALID_ARGUMENT for what is no object, has a key twice, unknown members where they are not ignored, or
  /// lacks a required one.
  [[nodiscard]] Result<std::string> from_json(std::string_view text) const;

 private:
  struct Member {
    std::string name;
    std::string value;  ///< JSON
  };

  explicit RecordMapping(const RecordKind& kind) : kind_(kind) {}
  [[nodiscard]] const Field* field_named(std::string_view name) const;
  [[nodiscard]] Status read_pairs(const std::vector<std::string>& pairs, const char* option,
                                  std::map<std::string, std::string>* into) const;
  [[nodiscard]] static std::string with_extra(const std::string& attributes, const std::vector<Member>& extra);
  [[nodiscard]] std::string target_of(const std::string& name) const;
  [[nodiscard]] Status refuse_unknown(const std::vector<std::string>& unknown, const std::vector<std::string>& missing,
                                      const char* what) const;
  [[nodiscard]] Result<std::vector<Member>> members_of(std::string_view text) const;
  [[nodiscard]] Result<std::string> field_json(const Field& field, const std::string& text) const;
  [[nodiscard]] std::string value_json(const Field& field, const std::string& json) const;
  /// Whether names that are no fields are no mistake.
  [[nodiscard]] bool takes_extra() const { return ignore_extra_ || extra_as_attributes_; }
  [[nodiscard]] std::string type_named(const std::string& type) const;

  const RecordKind& kind_;
  std::map<std::string, std::string> map_;    ///< theirs to ours
  std::map<std::string, std::string> types_;  ///< theirs to ours
  std::optional<streaming::EventTimes> times_;
  bool times_given_ = false;
  bool ignore_extra_ = false;
  bool extra_as_attributes_ = false;
  bool plain_ = true;
  std::vector<const Field*> columns_;  ///< of the heading; null: no field
  std::vector<std::string> names_;     ///< of the columns
};

}  // namespace cairn::cli
