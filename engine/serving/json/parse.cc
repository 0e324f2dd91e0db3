#include <algorithm>
#include <nlohmann/json.hpp>

#include "cairn/whole_number.h"
#include "engine/serving/json/quick_parse.h"
#include "engine/serving/json/value.h"

namespace cairn::serving::json {
namespace {

/// Receives nlohmann's events and builds a Value. Every method returns whether to go on.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(Value{}); }
  bool boolean(bool value) override { return add(Value{value}); }
  bool number_integer(number_integer_t value) override { return add(Value{std::int64_t{value}}); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<number_unsigned_t>(INT64_MAX)) return add(Value{static_cast<std::int64_t>(value)});
    return add(Value{std::uint64_t{value}});
  }
  /// A whole number is an integer however it is written (1001.0), as in JSON Schema.
  bool number_float(number_float_t value, const string_t& text) override {
    if (const auto whole = whole_number(text)) return add(Value{static_cast<std::int64_t>(*whole)});
    return add(Value{value});
  }
  bool string(string_t& value) override {
    if (value.find('\0') != std::string::npos) return refuse("a string holds the NUL character");
    return add(Value{std::move(value)});
  }
  bool binary(binary_t&) override { return refuse("binary values are no JSON"); }

  bool start_object(std::size_t) override { return open(Value{Value::Object{}}); }
  bool start_array(std::size_t) override { return open(Value{Value::Array{}}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& members = std::get<Value::Object>(open_.back()->data);
    const bool repeated = std::any_of(members.begin(), members.end(), [&](const Member& m) { return m.name == name; });
    if (repeated) return refuse("'" + name + "' is given twice in one object");
    if (members.size() == kMembersMax)
      return refuse("an object has more than " + std::to_string(kMembersMax) + " members");
    members.push_back(Member{std::move(name), {}});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while parsing ..."
    std::string_view reason = error.what();
    if (const auto colon = reason.find(": "); colon != std::string_view::npos) reason.remove_prefix(colon + 2);
    return refuse("at byte " + std::to_string(position) + ": " + std::string(reason));
  }

  [[nodiscard]] Result<Value> take(bool complete) && {
    if (!error_.empty() || !complete) return invalid_argument("the body is not usable JSON: " + error_);
    return std::move(root_);
  }

 private:
  // The slot the next value goes to: the root, the value of the last member, or a new element.
  Value* place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (auto* members = std::get_if<Value::Object>(&open_.back()->data)) {
      members->back().value = std::move(value);
      return &members->back().value;
    }
    return &std::get<Value::Array>(open_.back()->data).emplace_back(std::move(value));
  }

  bool add(Value value) {
    place(std::move(value));
    return true;
  }

  // Pointers to open containers stay valid: a container grows only while it is the innermost one.
  bool open(Value container) {
    if (open_.size() == kDepthMax) return refuse("nested more than " + std::to_string(kDepthMax) + " deep");
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool refuse(std::string reason) {
    error_ = std::move(reason);
    return false;
  }

  Value root_;
  std::vector<Value*> open_;
  std::string error_;
};

}  // namespace

Result<Value> parse(std::string_view text) {
  if (trim(text).empty()) return invalid_argument("the body is empty; a JSON object is expected");
  if (auto value = parse_quickly(text)) return std::move(*value);
  // The parser below takes it for the end of the text.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return invalid_argument("the body is not usable JSON: at byte " + std::to_string(nul + 1) + ": a NUL");
  }
  Builder builder;
  const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).take(complete);
}

}  // namespace cairn::serving::json
