#include "engine/ranking/ranker_model.h"

#include <charconv>
#include <cstdio>
#include <filesystem>

#include "cairn/options.h"
#include "engine/model/files.h"
#include "engine/model/toml_table.h"
#include "engine/ranking/score/ranking_features.h"

namespace cairn::ranking {

namespace {

constexpr std::uint64_t kFormat = 1;
constexpr std::string_view kKind = "linear_ranker";
constexpr const char* kDescription = "model.toml";
constexpr std::size_t kTextBytesMax = 1u << 20;
constexpr std::uint64_t kReachHoursMax = 12;  // half a day: further is nearer the other way round

std::string in_directory(const std::string& directory, const std::string& file) {
  return (std::filesystem::path(directory) / file).string();
}

/// Which values a number may have beside being finite.
enum class Range : std::uint8_t {
  kWeight,       ///< of a feature
  kExponent,     ///< a term of what exp() is taken of
  kNotNegative,  ///< a share is made of it, whose logarithm is taken
  kPositive,     ///< something is divided by it
};

/// A number of a table and where it goes.
template <class Coefficients>
struct Field {
  const char* key;
  double Coefficients::*value;
  Range range = Range::kExponent;
};

// Bounds keep every score finite, and lie far beyond anything that a fit gives. The terms of the habit kernel add up to
// less than 25 * (12 + ln(1 + 100 years in days)), of which exp() is still a number. What divides is not so small that
// the quotient is none.
constexpr double kWeightMax = kRankingWeightMax;
constexpr double kExponentMax = 25.0;
constexpr double kDivisorMin = 0.01;

constexpr Field<HabitCoefficients> kHabitFields[] = {
    {"constant", &HabitCoefficients::constant},
    {"age", &HabitCoefficients::age},
    {"hour_close", &HabitCoefficients::hour_close},
    {"hour_wide", &HabitCoefficients::hour_wide},
    {"same_day", &HabitCoefficients::same_day},
    {"hour_when_fresh", &HabitCoefficients::hour_when_fresh},
    {"hour_same_kind_of_day", &HabitCoefficients::hour_same_kind_of_day},
    {"same_gap", &HabitCoefficients::same_gap},
    {"near_start", &HabitCoefficients::near_start},
    {"same_start", &HabitCoefficients::same_start},
    {"same_start_and_gap", &HabitCoefficients::same_start_and_gap},
    {"same_second", &HabitCoefficients::same_second},
    {"hour_close_width_hours", &HabitCoefficients::hour_close_width_hours, Range::kPositive},
    {"hour_wide_width_hours", &HabitCoefficients::hour_wide_width_hours, Range::kPositive},
    {"hour_width_hours", &HabitCoefficients::hour_width_hours, Range::kPositive},
    {"near_start_meters", &HabitCoefficients::near_start_meters, Range::kPositive},
    {"gap_floor_hours", &HabitCoefficients::gap_floor_hours, Range::kPositive},
};

// reach_hours is a count and is read apart.
constexpr Field<WeekCoefficients> kWeekFields[] = {
    {"hour_width_hours", &WeekCoefficients::hour_width_hours, Range::kPositive},
    {"same_day", &WeekCoefficients::same_day, Range::kNotNegative},
    {"same_kind_of_day", &WeekCoefficients::same_kind_of_day, Range::kNotNegative},
    {"other_day", &WeekCoefficients::other_day, Range::kNotNegative},
};

// Nothing has a default: a ranker that was fitted before a feature existed must not be completed in silence.
Status missing(const model::TomlTable& table, const std::string& key) {
  return table.fault(key, "the number '" + key + "' is missing");
}

Status take_number(model::TomlTable* table, const std::string& key, Range range, double* value) {
  if (!table->has(key)) return missing(*table, key);
  CAIRN_RETURN_IF_ERROR(table->take(key, value));  // refuses what is no number, and what is not finite
  const auto between = [&](double low, double high, const char* text) {
    return *value >= low && *value <= high ? ok_status() : table->fault(key, key + " must be " + text);
  };
  switch (range) {
    case Range::kWeight:
      return between(-kWeightMax, kWeightMax, "from -1e6 to 1e6");
    case Range::kExponent:
      return between(-kExponentMax, kExponentMax, "from -25 to 25");
    case Range::kNotNegative:
      return between(0.0, kWeightMax, "from 0 to 1e6");
    case Range::kPositive:
      return between(kDivisorMin, kWeightMax, "from 0.01 to 1e6");
  }
  return ok_status();
}

template <class Coefficients, std::size_t count>
Status take_fields(model::TomlTable* table, const Field<Coefficients> (&fields)[count], Coefficients* coefficients) {
  for (const Field<Coefficients>& field : fields) {
    CAIRN_RETURN_IF_ERROR(take_number(table, field.key, field.range, &(coefficients->*field.value)));
  }
  return ok_status();
}

Status read_weights(model::TomlTable table, std::vector<double>* weights) {
  // In the order of features, whatever order the file has: a score is summed in that order.
  weights->resize(ranking_feature_count());
  for (std::size_t i = 0; i < weights->size(); ++i) {
    const std::string name(ranking_feature_name(i));
    CAIRN_RETURN_IF_ERROR(take_number(&table, name, Range::kWeight, &(*weights)[i]));
  }
  return table.refuse_others();
}

Status read_habit(model::TomlTable table, HabitCoefficients* habit) {
  CAIRN_RETURN_IF_ERROR(take_fields(&table, kHabitFields, habit));
  return table.refuse_others();
}

Status read_week(model::TomlTable table, WeekCoefficients* week) {
  if (!table.has("reach_hours")) return missing(table, "reach_hours");
  CAIRN_RETURN_IF_ERROR(table.take("reach_hours", &week->reach_hours));
  if (week->reach_hours > kReachHoursMax) return table.fault("reach_hours", "reach_hours must be at most 12");
  CAIRN_RETURN_IF_ERROR(take_fields(&table, kWeekFields, week));
  return table.refuse_others();
}

/// The head says what the file is: whoever names the directory of another model is told so, not that keys are missing.
Status read_head(model::TomlTable* root, RankerModel* ranker) {
  std::string kind;
  CAIRN_RETURN_IF_ERROR(root->take("kind", &kind));
  if (kind != kKind) {
    return root->fault("kind", "kind must be '" + std::string(kKind) + "', " +
                                   (kind.empty() ? "which is missing" : "and not '" + kind + "'"));
  }
  std::uint64_t format = 0;
  CAIRN_RETURN_IF_ERROR(root->take("format", &format));
  if (format == 0) return root->fault("format", "format = " + std::to_string(kFormat) + " is missing");
  if (format != kFormat) {
    return {StatusCode::kUnimplemented,
            root->fault("format", "format " + std::to_string(format) + " is of another version of Cairn; this one " +
                                      "reads " + std::to_string(kFormat))
                .message()};
  }
  // Nothing depends on the version but people who compare answers, which is why it may not be left out.
  if (!root->has("version")) return missing(*root, "version");
  return root->take("version", &ranker->version);
}

/// Whether it names something in the ranker's directory itself.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && !name.starts_with('.');
}

Status read_items(model::TomlTable* root, std::string* items) {
  if (!root->has("items")) return ok_status();
  CAIRN_RETURN_IF_ERROR(root->take("items", items));
  if (is_plain_name(*items)) return ok_status();
  return root->fault("items", "items must be the name of a folder in this directory, such as 'items'");
}

/// 16 hexadecimal digits.
std::string digest_text(std::uint64_t digest) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest));
  return text;
}

/// A network's file lies beside model.toml.
Status read_network(model::TomlTable table, const ReadNetwork& network, std::optional<RankerNetwork>* read) {
  std::string file;
  CAIRN_RETURN_IF_ERROR(table.take("file", &file));
  if (!is_plain_name(file)) {
    return table.fault("file", "file must be the name of a file in this directory, such as 'network.safetensors'");
  }
  std::string digest;
  if (table.has("digest")) CAIRN_RETURN_IF_ERROR(table.take("digest", &digest));
  CAIRN_RETURN_IF_ERROR(table.refuse_others());
  CAIRN_ASSIGN_OR_RETURN(*read, network(file));
  if (digest.empty() || digest == digest_text((*read)->digest)) return ok_status();
  return table.fault("digest", "'" + file + "' is the network of another ranker: its digest is " +
                                   digest_text((*read)->digest) + "; was the directory replaced meanwhile?");
}

Result<model::TomlTable> take_table(const std::string& name, model::TomlTable* root, const char* key) {
  const toml::Node* node = root->take_node(key);
  if (!node) return root->fault(key, "the table [" + std::string(key) + "] is missing");
  if (node->kind != toml::Node::Kind::kTable) return root->fault(key, std::string(key) + " must be a table");
  return model::TomlTable(name, *node);
}

}  // namespace

Result<RankerModel> parse_ranker(const std::string& name, std::string_view text, const ReadNetwork& network) {
  // Each table is taken key by key and what is left over is refused, so that a mistyped name is not a missing effect.
  CAIRN_ASSIGN_OR_RETURN(const toml::Node document, model::parse_toml(name, text));
  RankerModel ranker;
  model::TomlTable root(name, document);
  CAIRN_RETURN_IF_ERROR(read_head(&root, &ranker));
  CAIRN_RETURN_IF_ERROR(read_items(&root, &ranker.items));
  CAIRN_ASSIGN_OR_RETURN(model::TomlTable weights, take_table(name, &root, "weights"));
  CAIRN_RETURN_IF_ERROR(read_weights(std::move(weights), &ranker.weights));
  CAIRN_ASSIGN_OR_RETURN(model::TomlTable habit, take_table(name, &root, "habit_kernel"));
  CAIRN_RETURN_IF_ERROR(read_habit(std::move(habit), &ranker.habit));
  CAIRN_ASSIGN_OR_RETURN(model::TomlTable week, take_table(name, &root, "week_kernel"));
  CAIRN_RETURN_IF_ERROR(read_week(std::move(week), &ranker.week));
  if (root.has("network")) {
    CAIRN_ASSIGN_OR_RETURN(model::TomlTable table, take_table(name, &root, "network"));
    CAIRN_RETURN_IF_ERROR(read_network(std::move(table), network, &ranker.network));
  }
  CAIRN_RETURN_IF_ERROR(root.refuse_others());
  return ranker;
}

Result<RankerModel> read_ranker(const std::string& directory) {
  // The file has the name that models of items have too: naming the wrong directory is told apart by its kind.
  const std::string path = in_directory(directory, kDescription);
  auto text = model::read_text(path, kTextBytesMax);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) {
    return not_found(directory + ": is no ranker: there is no model.toml in it");
  }
  if (!text.ok()) return std::move(text).status();
  return parse_ranker(path, *text,
                      [&](const std::string& file) { return read_network(in_directory(directory, file)); });
}

bool is_ranker(const std::string& directory) {
  if (directory.empty()) return false;
  const std::string path = in_directory(directory, kDescription);
  const auto text = model::read_text(path, kTextBytesMax);
  if (!text.ok()) return false;
  const auto document = model::parse_toml(path, *text);
  std::string kind;
  // What is broken is still told by its kind: the failure to read it is a ranker's.
  if (!document.ok()) return text->find('"' + std::string(kKind) + '"') != std::string::npos;
  return model::TomlTable(path, *document).take("kind", &kind).ok() && kind == kKind;
}

namespace {

/// The shortest text that reads back as the same number.
std::string number_text(double value) {
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), value);
  return {text, end.ptr};
}

template <class Coefficients, std::size_t count>
void add_fields(const Field<Coefficients> (&fields)[count], const Coefficients& coefficients, std::string* text) {
  for (const Field<Coefficients>& field : fields) {
    *text += std::string(field.key) + " = " + number_text(coefficients.*field.value) + "\n";
  }
}

std::string render(const RankerModel& ranker, const std::string& network_file, std::uint64_t digest) {
  std::string text = "# Numbers that places are scored with: engine/ranking/format.md of Cairn says what each is.\n";
  text += "format = " + std::to_string(kFormat) + "\nkind = \"" + std::string(kKind) + "\"\n";
  text += "version = " + std::to_string(ranker.version) + "\n";
  if (!ranker.items.empty()) text += "items = \"" + ranker.items + "\"\n";
  text += "\n[weights]\n";
  for (std::size_t i = 0; i < ranker.weights.size(); ++i) {
    text += std::string(ranking_feature_name(i)) + " = " + number_text(ranker.weights[i]) + "\n";
  }
  text += "\n[habit_kernel]\n";
  add_fields(kHabitFields, ranker.habit, &text);
  text += "\n[week_kernel]\nreach_hours = " + std::to_string(ranker.week.reach_hours) + "\n";
  add_fields(kWeekFields, ranker.week, &text);
  if (ranker.network) {
    text += "\n[network]\nfile = \"" + network_file + "\"\ndigest = \"" + digest_text(digest) + "\"\n";
  }
  return text;
}

}  // namespace

Status write_ranker(const std::string& directory, const RankerModel& ranker) {
  const std::string path = in_directory(directory, kDescription);
  // Two names take turns: who reads the description that is there finds the network that belongs to it.
  const std::string first = kNetworkFile;
  const std::string second = std::string("other_") + kNetworkFile;
  const auto before = model::read_text(path, kTextBytesMax);
  const bool first_taken = before.ok() && before->find('"' + first + '"') != std::string::npos;
  const std::string& file = first_taken ? second : first;
  std::uint64_t digest = 0;
  if (ranker.network) {
    CAIRN_RETURN_IF_ERROR(write_network(in_directory(directory, file), *ranker.network));
    CAIRN_ASSIGN_OR_RETURN(const RankerNetwork written, read_network(in_directory(directory, file)));
    digest = written.digest;
  }
  CAIRN_RETURN_IF_ERROR(model::replace_text(path, render(ranker, file, digest)));
  std::error_code ignored;  // what no description names any more
  std::filesystem::remove(in_directory(directory, first_taken ? first : second), ignored);
  return ok_status();
}

const RankerModel& default_ranker() {
  // Parsed once, by whoever asks first; its text went through the same checks in the tests.
  static const RankerModel kRanker = [] {
    auto parsed = parse_ranker("default_ranker/model.toml", default_ranker_text(), [](const std::string& file) {
      return parse_network("default_ranker/" + file, default_ranker_network());
    });
    CAIRN_CHECK_MSG(parsed.ok(), parsed.status().to_string());  // it is a part of the program
    return *std::move(parsed);
  }();
  return kRanker;
}

Result<RankerModel> configured_ranker(const std::string& directory) {
  if (directory.empty()) return default_ranker();
  return read_ranker(directory);
}

std::vector<RankingFeatureInfo> ranking_features() {
  const RankerModel& ranker = default_ranker();
  std::vector<RankingFeatureInfo> infos;
  for (std::size_t i = 0; i < ranking_feature_count(); ++i) {
    infos.push_back({std::string(ranking_feature_name(i)), std::string(ranking_feature_meaning(i)), ranker.weights[i],
                     ranker.weights[i]});
  }
  return infos;
}

}  // namespace cairn::ranking
