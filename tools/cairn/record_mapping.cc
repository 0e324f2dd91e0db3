#include "tools/cairn/record_mapping.h"

#include <CLI/Validators.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "cairn/rfc3339.h"
#include "streaming/field_names.h"
#include "streaming/json_members.h"
#include "streaming/number_hint.h"
#include "tools/cairn/commands.h"
#include "tools/cairn/record_source.h"
#include "tools/cairn/vocabulary.h"

namespace cairn::cli {
namespace {

using nlohmann::json;

constexpr std::array<Field, 6> kPlaceFields = {{{"place_id", Field::Kind::kText, true},
                                                {"name", Field::Kind::kText, false},
                                                {"lat", Field::Kind::kNumber, true},
                                                {"lon", Field::Kind::kNumber, true},
                                                {"category", Field::Kind::kText, false},
                                                {"attributes", Field::Kind::kObject, false}}};
constexpr std::array<Field, 9> kEventFields = {{{"user_id", Field::Kind::kText, true},
                                                {"place_id", Field::Kind::kText, true},
                                                {"type", Field::Kind::kType, true},
                                                {"ts", Field::Kind::kTime, true},
                                                {"value", Field::Kind::kNumber, false},
                                                {"lat", Field::Kind::kNumber, false},
                                                {"lon", Field::Kind::kNumber, false},
                                                {"event_id", Field::Kind::kText, false},
                                                {"retract", Field::Kind::kFlag, false}}};

std::string_view likely_place_field(std::string_view name) {
  std::string letters;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  constexpr std::string_view kIds[] = {"id",         "placeid",    "venueid",   "poiid",
                                       "businessid", "locationid", "geonameid", "osmid"};
  constexpr std::string_view kNames[] = {"name", "title", "label", "placename", "venuename"};
  constexpr std::string_view kCategories[] = {"category",     "kind",          "type",   "class",
                                              "categoryname", "venuecategory", "amenity"};
  const auto among = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), letters) != std::end(names);
  };
  if (among(kIds)) return "place_id";
  if (among(kNames)) return "name";
  if (among(kCategories)) return "category";
  const std::string_view event = streaming::likely_field(name);
  return event == "place_id" || event == "lat" || event == "lon" ? event : std::string_view();
}

std::string json_text(std::string_view text) { return json(std::string(text)).dump(); }

std::string joined(const std::vector<std::string>& names, std::size_t shown_max = 12) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), shown_max); ++i) text += (i ? ", " : "") + ("'" + names[i] + "'");
  return names.size() > shown_max ? text + " and " + std::to_string(names.size() - shown_max) + " more" : text;
}

std::string known_fields(const RecordKind& kind) {
  std::string text;
  for (const Field& field : kind.fields) text += (text.empty() ? "" : ", ") + std::string(field.name);
  return text;
}

/// A number as people write it in a column, as JSON; empty when it is none.
std::string number_json(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || !std::isfinite(value)) return {};
  return json(value).dump();
}

/// The members of an object as attributes: those of objects inside it by their paths, and lists that hold more than
/// plain values as text.
void add_attributes(const std::string& name, const json& value, json* attributes) {
  if (value.is_null() || attributes->contains(name)) return;
  if (value.is_object()) {
    for (const auto& [inner, of_inner] : value.items()) add_attributes(name + "." + inner, of_inner, attributes);
    return;
  }
  const bool deep = value.is_array() && std::any_of(value.begin(), value.end(), [](const json& one) {
                      return one.is_structured() || one.is_null();
                    });
  (*attributes)[name] = deep ? json(value.dump()) : value;
}

std::string time_json(EventTime time) { return json_text(format_rfc3339(time)); }

/// The value at a path of names with dots between, inside the members of an object.
std::string at_path(std::string_view object, std::string_view path) {
  for (const streaming::JsonMember& member : streaming::json_members(object)) {
    if (json::parse(member.key).get<std::string>() == path) return std::string(member.value);
  }
  for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    for (const streaming::JsonMember& member : streaming::json_members(object)) {
      if (json::parse(member.key).get<std::string>() != path.substr(0, dot)) continue;
      if (std::string inner = at_path(member.value, path.substr(dot + 1)); !inner.empty()) return inner;
    }
  }
  return {};
}

/// The position of a GeoJSON point: longitude before latitude (RFC 7946).
Result<std::pair<std::string, std::string>> point_of(const std::string& geometry) {
  const json parsed = json::parse(geometry);
  const std::string type = parsed.is_object() ? parsed.value("type", "") : "";
  if (type != "Point" || !parsed.contains("coordinates")) {
    return invalid_argument("its geometry is " + (type.empty() ? "none" : "a " + type) +
                            ", and a place stands at a Point; turn areas into points first (ogr2ogr -dialect sqlite "
                            "-sql 'SELECT *, ST_PointOnSurface(geometry) FROM LAYER', which lies inside of them)");
  }
  const json& coordinates = parsed["coordinates"];
  const bool two =
      coordinates.is_array() && coordinates.size() >= 2 && coordinates[0].is_number() && coordinates[1].is_number();
  if (!two) return invalid_argument("its Point has no coordinates [longitude, latitude]");
  return std::pair(coordinates[1].dump(), coordinates[0].dump());
}

}  // namespace

const RecordKind& place_kind() {
  static const RecordKind kind{.noun = "place", .fields = kPlaceFields, .open = false, .likely = likely_place_field};
  return kind;
}

const RecordKind& event_kind() {
  static const RecordKind kind{
      .noun = "event", .fields = kEventFields, .open = true, .likely = streaming::likely_field};
  return kind;
}

void add_mapping_options(CLI::App* command, MappingArguments* arguments, bool events) {
  const std::map<std::string, Encoding> encodings = {
      {"utf-8", Encoding::kUtf8}, {"latin1", Encoding::kLatin1}, {"windows-1252", Encoding::kWindows1252}};
  command
      ->add_option(
          "--map", arguments->map,
          "Which of the file's columns or members is which field, where the names differ: THEIRS=OURS,... such "
          "as " +
              std::string(events ? "customer_id=user_id,when=ts" : "id=place_id,title=name,latitude=lat") +
              "; A.B is member B of object A")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("THEIRS=OURS");
  command->add_flag(
      "--ignore-extra", arguments->ignore_extra,
      events ? "Leave out columns of CSV that are no field of an event (members of JSON are left out in any case)"
             : "Leave out columns and members that are no field of a place");
  if (!events) {
    command->add_flag(
        "--extra-as-attributes", arguments->extra_as_attributes,
        "Make columns and members that are no field of a place attributes of it; those inside objects are "
        "named OBJECT.MEMBER");
  }
  command
      ->add_option_function<std::string>(
          "--encoding",
          [arguments, encodings](const std::string& word) {
            arguments->encoding = choice("--encoding", word, encodings);
          },
          "What the file's text is, where it is not UTF-8")
      ->option_text("utf-8|latin1|windows-1252");
  if (!events) return;
  command
      ->add_option("--config", arguments->config,
                   "A server's configuration, whose [mapping] says what the options below and --map do not")
      ->type_name("FILE");
  command
      ->add_option("--type-map", arguments->type_map,
                   "Which of the file's types is which of Cairn's, where they differ: checkin=visit,like=save")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("THEIRS=OURS");
  command
      ->add_option(
          "--time-format", arguments->time_format,
          "What times are beside RFC 3339: milliseconds since 1970 unless seconds, microseconds or nanoseconds; or "
          "a pattern such as '%d.%m.%Y %H:%M:%S' (strptime)")
      ->type_name("FORMAT");
  command
      ->add_option(
          "--time-zone", arguments->time_zone,
          "Whose clock times without an offset were read from, such as Europe/Berlin, UTC or +02:00; without it "
          "they are refused. Of an hour that the clock shows twice in autumn the first is taken, and all of an hour "
          "that it leaves out in spring is the instant at which it is set forward")
      ->type_name("ZONE");
}

// ---- what was said ------------------------------------------------------------------------------------------------

const Field* RecordMapping::field_named(std::string_view name) const {
  const auto found =
      std::find_if(kind_.fields.begin(), kind_.fields.end(), [&](const Field& f) { return f.name == name; });
  return found == kind_.fields.end() ? nullptr : &*found;
}

Status RecordMapping::read_pairs(const std::vector<std::string>& pairs, const char* option,
                                 std::map<std::string, std::string>* into) const {
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
      return invalid_argument(std::string(option) + ": '" + pair + "' is no THEIRS=OURS");
    }
    if (!into->emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      return invalid_argument(std::string(option) + ": '" + pair.substr(0, equals) + "' is mapped twice");
    }
  }
  return ok_status();
}

Result<ConfiguredMapping> read_configured_mapping(MappingArguments* arguments) {
  ConfiguredMapping configured;
  if (arguments->config.empty()) return configured;
  const config::ConfigReport report =
      config::check_config_file(arguments->config, config::process_environment(), vocabulary());
  if (!report.ok()) return invalid_argument(report.problems_text());
  const MappingOptions& mapping = report.config.engine.decode.mapping;
  configured = {mapping.fields, mapping.types, mapping.type};
  if (arguments->time_format.empty()) arguments->time_format = mapping.time_format;
  if (arguments->time_zone.empty()) arguments->time_zone = mapping.time_zone;
  return configured;
}

/// A configuration speaks of all producers at once, so that a file need not have every name. What the options say of a
/// field goes before it.
void RecordMapping::add_configured(const ConfiguredMapping& configured) {
  std::set<std::string> said;
  for (const auto& [theirs, ours] : map_) said.insert(ours);
  for (const auto& [theirs, ours] : configured.fields) {
    if (said.contains(ours) || !map_.emplace(theirs, ours).second) continue;
    optional_.insert(theirs);
  }
  types_.insert(configured.types.begin(), configured.types.end());
  if (!configured.type.empty()) type_ = json_text(configured.type);
}

Result<RecordMapping> RecordMapping::make(const RecordKind& kind, MappingArguments arguments) {
  RecordMapping mapping(kind);
  CAIRN_ASSIGN_OR_RETURN(const ConfiguredMapping configured, read_configured_mapping(&arguments));
  CAIRN_RETURN_IF_ERROR(mapping.read_pairs(arguments.map, "--map", &mapping.map_));
  CAIRN_RETURN_IF_ERROR(mapping.read_pairs(arguments.type_map, "--type-map", &mapping.types_));
  std::set<std::string> taken;
  for (const auto& [theirs, ours] : mapping.map_) {
    if (!mapping.field_named(ours)) {
      const bool turned = mapping.field_named(theirs) != nullptr;
      return invalid_argument("--map " + theirs + "=" + ours + ": '" + ours + "' is no field of " +
                              (kind.noun == "event" ? "an event" : "a place") + " (" + known_fields(kind) + ")" +
                              (turned ? "; the file's name stands first: --map " + ours + "=" + theirs : ""));
    }
    if (!taken.insert(ours).second) return invalid_argument("--map: '" + ours + "' has two names");
  }
  mapping.add_configured(configured);
  auto times = streaming::EventTimes::make(arguments.time_format, arguments.time_zone);
  if (!times.ok()) return times.status();
  mapping.times_ = *std::move(times);
  mapping.times_given_ = !arguments.time_format.empty() || !arguments.time_zone.empty();
  if (arguments.ignore_extra && arguments.extra_as_attributes) {
    return invalid_argument("--ignore-extra and --extra-as-attributes contradict each other");
  }
  mapping.ignore_extra_ = arguments.ignore_extra;
  mapping.extra_as_attributes_ = arguments.extra_as_attributes;
  mapping.plain_ = mapping.map_.empty() && mapping.types_.empty() && mapping.type_.empty() && !mapping.times_given_ &&
                   !mapping.takes_extra();
  return mapping;
}

/// The field that a name in the file means; empty: none. A name that is mapped means nothing else, and neither does a
/// field's own name where another one was mapped to it.
std::string RecordMapping::target_of(const std::string& name) const {
  if (const auto mapped = map_.find(name); mapped != map_.end()) return mapped->second;
  const bool renamed = std::any_of(map_.begin(), map_.end(), [&](const auto& pair) {
    return pair.second == name && !optional_.contains(pair.first);
  });
  return field_named(name) && !renamed ? name : std::string();
}

/// `what`: "column" or "member".
Status RecordMapping::refuse_unknown(const std::vector<std::string>& unknown, const std::vector<std::string>& missing,
                                     const char* what) const {
  const std::string noun = kind_.noun == "event" ? "an event" : "a place";
  std::string text;
  if (!missing.empty()) {
    text += missing.size() > 1 ? "there are no " + std::string(what) + "s " : "there is no " + std::string(what) + " ";
    text += joined(missing);
  }
  if (!unknown.empty()) {
    text += (text.empty() ? "" : "; ") + std::string("the ") + what + (unknown.size() > 1 ? "s " : " ") +
            joined(unknown) + (unknown.size() > 1 ? " are no fields of " : " is no field of ") + noun;
  }
  text += " (" + known_fields(kind_) + ")";
  std::string map;
  std::set<std::string_view> used;
  for (const std::string& name : unknown) {
    const std::string_view field = kind_.likely(name);
    if (field.empty() || field == name) continue;
    const bool wanted = std::find(missing.begin(), missing.end(), field) != missing.end();
    if (!wanted && field_named(field)->required) continue;  // there is one already
    if (used.insert(field).second) map += (map.empty() ? "" : ",") + name + "=" + std::string(field);
  }
  if (!map.empty()) text += "; did you mean --map " + map + "?";
  if (map.empty() && !missing.empty()) text += "; say which it is: --map THEIRS=" + missing.front();
  if (!unknown.empty()) {
    text += std::string(text.ends_with('?') ? "" : ".") + " What is of no use is left out with --ignore-extra" +
            std::string(kind_.noun == "place" ? ", and kept as attributes with --extra-as-attributes" : "");
  }
  return invalid_argument(text);
}

/// `attributes` (JSON; empty: none) and beside them what else the record has; empty where that is nothing.
std::string RecordMapping::with_extra(const std::string& attributes, const std::vector<Member>& extra) {
  if (extra.empty()) return attributes;
  json all = attributes.empty() ? json::object() : json::parse(attributes, nullptr, false);
  if (!all.is_object()) return attributes.starts_with('"') ? attributes : json_text(attributes);
  for (const Member& member : extra) add_attributes(member.name, json::parse(member.value), &all);
  return all.empty() ? std::string() : all.dump();
}

// ---- CSV ----------------------------------------------------------------------------------------------------------

Status RecordMapping::set_heading(const std::vector<std::string>& columns) {
  columns_.clear();
  std::vector<std::string> unknown;
  std::vector<std::string> missing;
  std::set<std::string> seen;
  for (const std::string& column : columns) {
    const Field* field = field_named(target_of(column));
    if (!field) unknown.push_back(column);
    if (field && !seen.insert(std::string(field->name)).second) {
      return invalid_argument("column '" + column + "' stands twice");
    }
    columns_.push_back(field);
  }
  names_ = columns;
  for (const Field& field : kind_.fields) {
    if (field.kind == Field::Kind::kType && !type_.empty()) continue;
    if (field.required && !seen.contains(std::string(field.name))) missing.emplace_back(field.name);
  }
  for (const auto& [theirs, ours] : map_) {
    if (optional_.contains(theirs)) continue;
    if (std::find(columns.begin(), columns.end(), theirs) != columns.end()) continue;
    return invalid_argument("--map " + theirs + "=" + ours + ": there is no column '" + theirs + "'; there are " +
                            joined(columns));
  }
  if (missing.empty() && (unknown.empty() || takes_extra())) return ok_status();
  if (seen.empty() && map_.empty() && !columns.empty()) {
    return refuse_unknown(unknown, missing, "column")
        .with_context("the first line of a CSV has to name its columns, and this one names no field");
  }
  return refuse_unknown(takes_extra() ? std::vector<std::string>() : unknown, missing, "column");
}

std::string RecordMapping::type_named(const std::string& type) const {
  const auto found = types_.find(type);
  return found == types_.end() ? type : found->second;
}

/// Of an event, what is no number or time stays text: the server says what is wrong with it, and the rest goes on.
Result<std::string> RecordMapping::field_json(const Field& field, const std::string& text) const {
  switch (field.kind) {
    case Field::Kind::kText:
      return json_text(text);
    case Field::Kind::kType:
      return json_text(type_named(text));
    case Field::Kind::kObject:
      // What is none is refused by the server, with its kind.
      return json::parse(text, nullptr, false).is_object() ? text : json_text(text);
    case Field::Kind::kNumber: {
      std::string number = number_json(text);
      if (!number.empty()) return number;
      if (kind_.open) return json_text(text);
      const bool degrees = field.name == "lat" || field.name == "lon";
      return invalid_argument(std::string(field.name) + " '" + text + "' is no number" +
                              (degrees ? " of degrees" : "") + streaming::number_hint(trimmed(text)));
    }
    case Field::Kind::kFlag:
      return text == "true" || text == "false" ? text : json_text(text);
    case Field::Kind::kTime:
      if (const auto time = times_->read_field(std::string(trimmed(text)))) return time_json(*time);
      return json_text(text);
  }
  return json_text(text);
}

Result<std::string> RecordMapping::from_fields(const std::vector<std::string>& fields) const {
  if (fields.size() != columns_.size()) {
    const bool more = fields.size() > columns_.size();
    return invalid_argument("there are " + std::to_string(fields.size()) + " fields for " +
                            std::to_string(columns_.size()) + " columns" +
                            (more ? "; a number has a decimal point and no comma (40.70), and a text that holds the "
                                    "separator stands in double quotes"
                                  : ""));
  }
  std::string out = "{";
  std::vector<Member> extra;
  std::string attributes;
  bool typed = type_.empty();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].empty()) continue;
    if (!columns_[i]) {
      if (extra_as_attributes_) extra.push_back({names_[i], json_text(fields[i])});
      continue;
    }
    if (extra_as_attributes_ && columns_[i]->kind == Field::Kind::kObject) {
      attributes = fields[i];
      continue;
    }
    typed |= columns_[i]->kind == Field::Kind::kType;
    CAIRN_ASSIGN_OR_RETURN(const std::string value, field_json(*columns_[i], fields[i]));
    out += (out.size() > 1 ? "," : "") + json_text(columns_[i]->name) + ":" + value;
  }
  if (const std::string all = with_extra(attributes, extra); !all.empty()) out += ",\"attributes\":" + all;
  if (!typed) out += (out.size() > 1 ? "," : "") + std::string("\"type\":") + type_;
  return out + "}";
}

// ---- JSON ---------------------------------------------------------------------------------------------------------

/// The members of an object, with their names unescaped; of a Feature what stands in its properties, and where it is.
Result<std::vector<RecordMapping::Member>> RecordMapping::members_of(std::string_view text) const {
  text = trimmed(text);
  if (!text.starts_with('{')) return invalid_argument("is no JSON object");
  std::vector<Member> members;
  const auto add = [&members](std::string_view object) {
    for (const streaming::JsonMember& member : streaming::json_members(object)) {
      members.push_back({json::parse(member.key).get<std::string>(), std::string(member.value)});
    }
  };
  CAIRN_RETURN_IF_ERROR(check_json(text));
  add(text);
  const auto check_names = [&members] {
    std::set<std::string> names;
    for (const Member& member : members) {
      if (!names.insert(member.name).second) {
        return invalid_argument("'" + member.name + "' is given twice in one object");
      }
    }
    return ok_status();
  };
  CAIRN_RETURN_IF_ERROR(check_names());
  const auto value_of = [&members](std::string_view name) -> std::string {
    const auto found = std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.name == name; });
    return found == members.end() ? std::string() : found->value;
  };
  if (value_of("type") != "\"Feature\"" || value_of("geometry").empty()) return members;
  CAIRN_ASSIGN_OR_RETURN(const auto point, point_of(value_of("geometry")));
  const std::string id = value_of("id");
  const std::string properties = value_of("properties");
  members.clear();
  if (properties.starts_with('{')) add(properties);
  CAIRN_RETURN_IF_ERROR(check_names());
  std::erase_if(members, [](const Member& member) { return member.name == "lat" || member.name == "lon"; });
  members.push_back({"lat", point.first});
  members.push_back({"lon", point.second});
  const bool named =
      std::any_of(members.begin(), members.end(), [&](const Member& m) { return target_of(m.name) == "place_id"; });
  if (!id.empty() && !named) members.push_back({map_.contains("id") ? "id" : "place_id", id});
  return members;
}

/// A value that was written as JSON, as the server is to have it. What cannot be read stays as it is: the server says
/// what is wrong with it.
std::string RecordMapping::value_json(const Field& field, const std::string& value) const {
  const bool text = value.starts_with('"');
  if (field.kind == Field::Kind::kNumber && text && !kind_.open) {
    const std::string number = number_json(json::parse(value).get<std::string>());
    return number.empty() ? value : number;
  }
  if (field.kind == Field::Kind::kType && !types_.empty()) {
    const std::string name = text ? json::parse(value).get<std::string>() : value;
    return types_.contains(name) ? json_text(type_named(name)) : value;
  }
  if (field.kind != Field::Kind::kTime || !times_given_) return value;
  const auto time = text ? times_->read_text(json::parse(value).get<std::string>()) : times_->read_number(value);
  return time ? time_json(*time) : value;
}

Result<std::string> RecordMapping::from_json(std::string_view text) const {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Member> members, members_of(text));
  std::map<std::string, std::string> values;  // by field
  std::vector<std::string> unknown;
  std::vector<Member> extra;
  for (const auto& [theirs, ours] : map_) {
    std::string whole = "{";
    for (const Member& member : members)
      whole += (whole.size() > 1 ? "," : "") + json_text(member.name) + ":" + member.value;
    const std::string value = at_path(whole + "}", theirs);
    if (!value.empty() && value != "null") values[ours] = value;
  }
  for (const Member& member : members) {
    const std::string prefix = member.name + ".";
    const bool mapped = map_.contains(member.name) || std::any_of(map_.begin(), map_.end(), [&](const auto& p) {
                          return p.first.starts_with(prefix);
                        });
    if (mapped) continue;
    if (!field_named(member.name)) {
      unknown.push_back(member.name);
      if (extra_as_attributes_) extra.push_back(member);
    } else if (!values.contains(member.name) && member.value != "null") {
      values[member.name] = member.value;
    }
  }
  if (!type_.empty()) values.emplace("type", type_);
  std::vector<std::string> missing;
  for (const Field& field : kind_.fields) {
    if (field.required && !values.contains(std::string(field.name))) missing.emplace_back(field.name);
  }
  const bool closed = !kind_.open && (!missing.empty() || (!unknown.empty() && !takes_extra()));
  if (closed) return refuse_unknown(takes_extra() ? std::vector<std::string>() : unknown, missing, "member");
  if (const std::string all = with_extra(values["attributes"], extra); !all.empty()) values["attributes"] = all;
  if (values["attributes"].empty()) values.erase("attributes");
  std::string out = "{";
  for (const Field& field : kind_.fields) {
    const auto found = values.find(std::string(field.name));
    if (found == values.end()) continue;
    out += (out.size() > 1 ? "," : "") + json_text(field.name) + ":" + value_json(field, found->second);
  }
  return out + "}";
}

}  // namespace cairn::cli
