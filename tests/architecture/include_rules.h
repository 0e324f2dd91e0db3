#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::architecture {

/// A part of the tree with a say over what it includes. A file belongs to the room with the longest folder that holds
/// it, so "engine/serving" is a room of its own inside "engine".
struct Room {
  std::string folder;                    ///< from the project's root, no slash at the end
  std::vector<std::string> may_include;  ///< rooms, beside itself and those every room may; "*" stands for all
  bool std_only = false;                 ///< nothing but the standard library and project headers
  bool top_only = false;                 ///< its subfolders are rooms of their own, and each has to be named
};

/// A library that is not ours, and the only folders that may include it.
struct ForeignLibrary {
  std::string name;
  std::vector<std::string> headers;  ///< an exact header, or a prefix when it ends in '/' or '-' or '_'
  std::vector<std::string> folders;
};

/// What the tree must keep to.
struct Rules {
  std::vector<Room> rooms;
  std::vector<std::string> open_rooms;  ///< rooms that every room may include
  /// Rooms whose subfolders are nobody else's business: others include the headers at their top only. A room inside a
  /// sealed room is no other: if it may include the room around it, it sees all of that room.
  std::vector<std::string> sealed_rooms;
  /// The spelling of a room in an #include, where it differs from its folder: {"cairn/", "engine/include"}.
  std::vector<std::pair<std::string, std::string>> spellings;
  std::vector<ForeignLibrary> libraries;
  std::vector<std::string> forbidden_names;  ///< of folders and of files without their extension

  /// A word that no source may hold, except in the files named: {"std::mutex", "use cairn::Mutex …", {"…/mutex.h"}}.
  struct ForbiddenWord {
    std::string word;
    std::string instead;
    std::vector<std::string> allowed_in;  ///< folders (ending in '/') or files
  };
  std::vector<ForbiddenWord> forbidden_words = {};
};

struct Violation {
  std::string file;  ///< from the project's root
  int line = 0;      ///< 0 when it is about the file or folder itself
  std::string what;  ///< names the rule and what to do

  friend bool operator==(const Violation&, const Violation&) = default;
};

/// One `#include` as written.
struct Include {
  int line = 0;
  std::string target;   ///< between the quotes or angle brackets
  bool quoted = false;  ///< "target" rather than <target>

  friend bool operator==(const Include&, const Include&) = default;
};

/// The `#include` lines of a source text, those in comments left out. Conditional ones count: an arrow that only some
/// builds have is an arrow.
[[nodiscard]] std::vector<Include> includes_of(std::string_view source);

/// Every C++ and CUDA source and header below `root`, as sorted paths from it. Hidden folders and a build folder at
/// the top are left out.
[[nodiscard]] std::vector<std::string> source_files(const std::filesystem::path& root);

/// Reads every include and every name of the tree and returns what breaks the rules, in the order of files and lines.
[[nodiscard]] std::vector<Violation> check_tree(const std::filesystem::path& root, const Rules& rules);

/// The cycles of a tree: among the rooms by the arrows that the rules give them, and among the project's own headers by
/// what they include. A cycle of headers compiles, thanks to `#pragma once`, and yet neither of its headers can be
/// understood or used alone. Rooms that may include everything ("*") are left out; nothing includes them.
[[nodiscard]] std::vector<Violation> check_cycles(const std::filesystem::path& root, const Rules& rules);

/// Whether `header` is one of the C++20 standard library (in either spelling of the C headers).
[[nodiscard]] bool is_standard_header(std::string_view header);

/// Whether `header` comes with the platform: POSIX, Linux or the compiler's own (intrinsics).
[[nodiscard]] bool is_platform_header(std::string_view header);

/// "file:line: what", one a line.
[[nodiscard]] std::string describe(const std::vector<Violation>& violations);

}  // namespace cairn::architecture
