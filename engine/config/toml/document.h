#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::toml {

/// A position in a text, both counted from 1; columns count code points.
struct TextPosition {
  int line = 1;
  int column = 1;
};

struct Member;

/// A TOML value that knows where it stands.
struct Node {
  enum class Kind : std::uint8_t { kTable, kArray, kString, kInteger, kNumber, kBool, kDate, kOther };
  Kind kind = Kind::kTable;
  TextPosition at;
  std::string text;             ///< kString
  std::int64_t integer = 0;     ///< kInteger
  double number = 0.0;          ///< kNumber
  bool boolean = false;         ///< kBool
  std::chrono::sys_days day;    ///< kDate
  std::vector<Member> members;  ///< kTable, in the order of the text
  std::vector<Node> items;      ///< kArray
};

/// A key of a table with its value.
struct Member {
  std::string name;
  TextPosition at;  ///< of the key
  Node value;
};

/// "a string", "an integer", ...: how a message calls a value.
[[nodiscard]] std::string_view kind_name(Node::Kind kind) noexcept;

struct SyntaxError {
  TextPosition at;
  std::string message;
};

struct Document {
  Node root;                        ///< what could be read
  std::vector<SyntaxError> errors;  ///< empty: all of it
  bool complete = true;             ///< false: the text after the last error was not read
};

/// Parses TOML 1.0. After an error in a line of the form `key = value` that line is left out and the rest is read, so
/// that one slip does not hide the next; after any other error reading stops.
[[nodiscard]] Document parse_document(std::string_view text);

}  // namespace cairn::toml
