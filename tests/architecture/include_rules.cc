#include "tests/architecture/include_rules.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace cairn::architecture {
namespace fs = std::filesystem;
namespace {

bool inside(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Room* room_of(const Rules& rules, std::string_view path) {
  const Room* best = nullptr;
  for (const Room& room : rules.rooms) {
    if (!inside(path, room.folder)) continue;
    if (room.top_only && path.find('/', room.folder.size() + 1) != std::string_view::npos) continue;
    if (!best || room.folder.size() > best->folder.size()) best = &room;
  }
  return best;
}

/// The path from the project's root that a quoted include means.
std::string resolve(const Rules& rules, const std::string& target) {
  for (const auto& [prefix, folder] : rules.spellings) {
    if (target.starts_with(prefix)) return folder + "/" + target;
  }
  return target;
}

bool covers(const std::string& pattern, std::string_view header) {
  const bool prefix = pattern.back() == '/' || pattern.back() == '-' || pattern.back() == '_';
  return prefix ? header.starts_with(pattern) : header == pattern;
}

const ForeignLibrary* library_of(const Rules& rules, std::string_view header) {
  for (const ForeignLibrary& library : rules.libraries) {
    for (const std::string& pattern : library.headers) {
      if (covers(pattern, header)) return &library;
    }
  }
  return nullptr;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

/// The room's own folder is `engine` and the header is `engine/cache/x.h`: below the top.
bool below_top(const Room& room, std::string_view path) {
  return path.find('/', room.folder.size() + 1) != std::string_view::npos;
}

std::optional<std::string> project_include_fault(const Rules& rules, const Room& from, const Include& include) {
  const std::string path = resolve(rules, include.target);
  const Room* to = room_of(rules, path);
  if (!to) return "\"" + include.target + "\" is not written from the project's root, or its room is not in the rules";
  if (to == &from) return std::nullopt;
  const bool open = contains(rules.open_rooms, to->folder);
  if (!open && !contains(from.may_include, to->folder) && !contains(from.may_include, "*")) {
    return from.folder + " may not include " + to->folder + " (\"" + include.target +
           "\"); it may include: " + joined(from.may_include);
  }
  const bool inner = below_top(*to, path) && !inside(from.folder, to->folder);
  if (contains(rules.sealed_rooms, to->folder) && inner && !contains(from.may_include, "*")) {
    return "\"" + include.target + "\" is inside " + to->folder + "; others include the headers at its top only";
  }
  return std::nullopt;
}

std::optional<std::string> foreign_include_fault(const Rules& rules, const std::string& file, const Room& from,
                                                 const Include& include) {
  if (is_standard_header(include.target)) return std::nullopt;
  if (from.std_only) return from.folder + " includes the standard library only, not <" + include.target + ">";
  if (is_platform_header(include.target)) return std::nullopt;
  const ForeignLibrary* library = library_of(rules, include.target);
  if (!library) return "<" + include.target + "> is of a library that the rules do not know";
  const bool allowed = std::any_of(library->folders.begin(), library->folders.end(),
                                   [&](const std::string& folder) { return inside(file, folder); });
  if (allowed) return std::nullopt;
  return library->name + " (<" + include.target + ">) may be included only in: " + joined(library->folders);
}

std::optional<std::string> include_fault(const Rules& rules, const std::string& file, const Room& from,
                                         const Include& include) {
  // Libraries' headers are written either way; what the rules know as foreign is foreign.
  const bool foreign = !include.quoted || library_of(rules, include.target);
  const bool ours_in_brackets = !include.quoted && room_of(rules, resolve(rules, include.target));
  if (ours_in_brackets && !library_of(rules, include.target)) {
    return "<" + include.target + "> is the project's own and is written in quotes";
  }
  return foreign ? foreign_include_fault(rules, file, from, include) : project_include_fault(rules, from, include);
}

std::string without_comments(std::string_view line, bool* in_comment);
void check_words(const std::string& file, std::string_view source, const Rules& rules,
                 std::vector<Violation>* violations);

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void check_names(const std::string& file, const Rules& rules, std::set<std::string>* reported,
                 std::vector<Violation>* violations) {
  const fs::path path(file);
  std::string prefix;
  for (const fs::path& part : path) {
    const bool last = prefix.size() + part.string().size() == file.size();
    const std::string name = last ? part.stem().string() : part.string();
    prefix += part.string();
    if (contains(rules.forbidden_names, name) && reported->insert(prefix).second) {
      violations->push_back({prefix, 0, "no drawer is named '" + name + "': name what is in it"});
    }
    prefix += '/';
  }
}

void check_file(const fs::path& root, const std::string& file, const Rules& rules, std::vector<Violation>* violations) {
  const Room* room = room_of(rules, file);
  if (!room) {
    violations->push_back({file, 0, "is in no room that the rules know"});
    return;
  }
  const std::string source = read_file(root / file);
  for (const Include& include : includes_of(source)) {
    if (auto fault = include_fault(rules, file, *room, include)) {
      violations->push_back({file, include.line, std::move(*fault)});
    }
  }
  check_words(file, source, rules, violations);
}

/// Who points at whom, by name.
using Graph = std::map<std::string, std::vector<std::string>>;

/// Walks depth first and collects the cycles that it meets: each as "a ► b ► a".
class CycleFinder {
 public:
  explicit CycleFinder(const Graph& graph) : graph_(graph) {
    for (const auto& [name, unused] : graph_) visit(name);
  }
  [[nodiscard]] const std::vector<std::vector<std::string>>& cycles() const { return cycles_; }

 private:
  void visit(const std::string& name) {
    if (done_.contains(name)) return;
    if (const auto begin = std::find(path_.begin(), path_.end(), name); begin != path_.end()) {
      cycles_.emplace_back(begin, path_.end());
      cycles_.back().push_back(name);
      return;
    }
    path_.push_back(name);
    if (const auto found = graph_.find(name); found != graph_.end()) {
      for (const std::string& next : found->second) visit(next);
    }
    path_.pop_back();
    done_.insert(name);
  }

  const Graph& graph_;
  std::vector<std::string> path_;
  std::set<std::string> done_;
  std::vector<std::vector<std::string>> cycles_;
};

void report_cycles(const Graph& graph, const char* kind, std::vector<Violation>* violations) {
  const CycleFinder finder(graph);
  for (const std::vector<std::string>& cycle : finder.cycles()) {
    std::string text;
    for (const std::string& name : cycle) text += (text.empty() ? "" : " ► ") + name;
    violations->push_back({cycle.front(), 0, std::string(kind) + " in a circle: " + text});
  }
}

Graph arrows_of(const Rules& rules) {
  Graph arrows;
  for (const Room& room : rules.rooms) {
    if (!contains(room.may_include, "*")) arrows[room.folder] = room.may_include;
  }
  return arrows;
}

Graph includes_of_headers(const fs::path& root, const Rules& rules) {
  Graph includes;
  for (const std::string& file : source_files(root)) {
    if (!file.ends_with(".h") && !file.ends_with(".cuh")) continue;
    for (const Include& include : includes_of(read_file(root / file))) {
      if (include.quoted) includes[file].push_back(resolve(rules, include.target));
    }
  }
  return includes;
}

bool word_is_allowed(const Rules::ForbiddenWord& word, const std::string& file) {
  return std::any_of(word.allowed_in.begin(), word.allowed_in.end(), [&](const std::string& where) {
    return where.back() == '/' ? file.starts_with(where) : file == where;
  });
}

/// Whether `word` stands in `text` as a whole: "std::mutex" not in "std::mutexes".
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const char next = at + word.size() < text.size() ? text[at + word.size()] : ' ';
    if (std::isalnum(static_cast<unsigned char>(next)) == 0 && next != '_') return true;
  }
  return false;
}

void check_words(const std::string& file, std::string_view source, const Rules& rules,
                 std::vector<Violation>* violations) {
  bool in_comment = false;
  for (int number = 1; !source.empty(); ++number) {
    const std::size_t end = std::min(source.find('\n'), source.size());
    const std::string code = without_comments(source.substr(0, end), &in_comment);
    source.remove_prefix(std::min(end + 1, source.size()));
    for (const Rules::ForbiddenWord& word : rules.forbidden_words) {
      if (has_word(code, word.word) && !word_is_allowed(word, file)) {
        violations->push_back({file, number, word.word + ": " + word.instead});
      }
    }
  }
}

bool is_source(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".hpp", ".cuh", ".cc", ".cpp", ".cu", ".inc"};
  return kExtensions.contains(path.extension().string());
}

/// Cuts comments out of one line; `in_comment` carries a block comment from line to line.
std::string without_comments(std::string_view line, bool* in_comment) {
  std::string kept;
  while (!line.empty()) {
    if (*in_comment) {
      const std::size_t end = line.find("*/");
      if (end == std::string_view::npos) return kept;
      line.remove_prefix(end + 2);
      *in_comment = false;
      continue;
    }
    const std::size_t block = line.find("/*");
    const std::size_t rest = line.find("//");
    if (rest < block) return kept.append(line.substr(0, rest));
    kept.append(line.substr(0, block));
    if (block == std::string_view::npos) return kept;
    line.remove_prefix(block + 2);
    *in_comment = true;
  }
  return kept;
}

std::string_view skip_blanks(std::string_view text) {
  const std::size_t start = text.find_first_not_of(" \t");
  return start == std::string_view::npos ? std::string_view{} : text.substr(start);
}

std::optional<Include> parse_include(std::string_view line, int number) {
  line = skip_blanks(line);
  if (!line.starts_with('#')) return std::nullopt;
  line = skip_blanks(line.substr(1));
  if (!line.starts_with("include")) return std::nullopt;
  line = skip_blanks(line.substr(7));
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const std::size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Include{number, std::string(line.substr(1, end - 1)), line[0] == '"'};
}

}  // namespace

std::vector<Include> includes_of(std::string_view source) {
  std::vector<Include> includes;
  bool in_comment = false;
  for (int number = 1; !source.empty(); ++number) {
    const std::size_t end = std::min(source.find('\n'), source.size());
    std::string_view line = source.substr(0, end);
    source.remove_prefix(std::min(end + 1, source.size()));
    // An include's target may hold "//" or "/*" (a glob, a URL); only what stands before it can be a comment.
    if (!in_comment) {
      if (auto include = parse_include(line, number)) includes.push_back(std::move(*include));
      without_comments(line, &in_comment);
    } else if (auto include = parse_include(without_comments(line, &in_comment), number)) {
      includes.push_back(std::move(*include));
    }
  }
  return includes;
}

std::vector<std::string> source_files(const fs::path& root) {
  std::vector<std::string> files;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const std::string name = it->path().filename().string();
    if (it->is_directory() && (name.starts_with('.') || (it.depth() == 0 && name.starts_with("build")))) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && is_source(it->path())) {
      files.push_back(fs::relative(it->path(), root).generic_string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Violation> check_tree(const fs::path& root, const Rules& rules) {
  std::vector<Violation> violations;
  std::set<std::string> reported;
  for (const std::string& file : source_files(root)) {
    check_names(file, rules, &reported, &violations);
    check_file(root, file, rules, &violations);
  }
  return violations;
}

std::vector<Violation> check_cycles(const fs::path& root, const Rules& rules) {
  std::vector<Violation> violations;
  report_cycles(arrows_of(rules), "rooms point at each other", &violations);
  report_cycles(includes_of_headers(root, rules), "headers include each other", &violations);
  return violations;
}

std::string describe(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& v : violations) {
    text += v.file + (v.line > 0 ? ":" + std::to_string(v.line) : "") + ": " + v.what + "\n";
  }
  return text;
}

}  // namespace cairn::architecture
