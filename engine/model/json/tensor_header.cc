#include "engine/model/json/tensor_header.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace cairn::model {
namespace {

constexpr const char* kMetadata = "__metadata__";
constexpr std::size_t kRankMax = 64;

/// Receives nlohmann's events and fills a TensorHeader; what the format has no place for ends the parsing. Every method
/// returns whether to go on.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  [[nodiscard]] Result<TensorHeader> take(bool complete) && {
    if (!fault_.empty() || !complete) return invalid_argument(fault_.empty() ? "is no JSON" : fault_);
    return std::move(header_);
  }

  bool null() override { return refuse("a null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a fraction"); }
  bool binary(binary_t&) override { return refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (where_ == Where::kShape && entry().shape.size() < kRankMax) {
      entry().shape.push_back(value);
      return true;
    }
    if (where_ == Where::kOffsets && offsets_ < 2) {
      (offsets_++ == 0 ? entry().begin : entry().end) = value;
      return true;
    }
    return refuse("a number");
  }

  bool string(string_t& value) override {
    if (where_ == Where::kTexts) {
      header_.metadata[key_] = std::move(value);
      return true;
    }
    if (where_ == Where::kEntry && key_ == "dtype") {
      entry().dtype = std::move(value);
      return true;
    }
    return refuse("a string");
  }

  bool start_object(std::size_t) override {
    if (where_ == Where::kOutside) return go(Where::kRoot);
    if (where_ != Where::kRoot) return refuse("an object");
    if (key_ == kMetadata) return go(Where::kTexts);
    header_.tensors.push_back({.name = key_});
    seen_ = 0;
    return go(Where::kEntry);
  }

  bool end_object() override {
    if (where_ == Where::kEntry && seen_ != (kDtype | kShapeKey | kOffsetsKey)) {
      return fail("tensor '" + entry().name + "' lacks dtype, shape or data_offsets");
    }
    return go(where_ == Where::kRoot ? Where::kDone : Where::kRoot);
  }

  bool start_array(std::size_t) override {
    if (where_ != Where::kEntry) return refuse("an array");
    if (key_ == "shape") return go(Where::kShape);
    offsets_ = 0;
    return key_ == "data_offsets" ? go(Where::kOffsets) : refuse("an array");
  }

  bool end_array() override {
    if (where_ == Where::kOffsets && offsets_ != 2) return refuse("an array of another length");
    return go(Where::kEntry);
  }

  bool key(string_t& name) override {
    key_ = std::move(name);
    if (where_ == Where::kEntry) return entry_key();
    const bool fresh =
        where_ == Where::kRoot ? names_.insert(key_).second : header_.metadata.emplace(key_, std::string()).second;
    return fresh || fail("'" + key_ + "' stands twice");
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return fault_.empty() ? fail("is no JSON at byte " + std::to_string(position)) : false;
  }

 private:
  enum class Where : std::uint8_t { kOutside, kRoot, kTexts, kEntry, kShape, kOffsets, kDone };
  enum Seen : unsigned { kDtype = 1, kShapeKey = 2, kOffsetsKey = 4 };

  TensorEntry& entry() { return header_.tensors.back(); }

  bool entry_key() {
    const unsigned bit = key_ == "dtype"          ? kDtype
                         : key_ == "shape"        ? kShapeKey
                         : key_ == "data_offsets" ? kOffsetsKey
                                                  : 0U;
    if (bit == 0) return fail("tensor '" + entry().name + "' has the unknown key '" + key_ + "'");
    if (seen_ & bit) return fail("tensor '" + entry().name + "' has '" + key_ + "' twice");
    seen_ |= bit;
    return true;
  }

  bool go(Where where) {
    where_ = where;
    return true;
  }
  bool fail(std::string fault) {
    fault_ = std::move(fault);
    return false;
  }
  bool refuse(const char* what) {
    const bool inside = where_ == Where::kEntry || where_ == Where::kShape || where_ == Where::kOffsets;
    if (inside) return fail("tensor '" + entry().name + "' has " + what + " as " + key_);
    return fail(std::string("has ") + what + " where an object of tensors is expected");
  }

  TensorHeader header_;
  std::set<std::string> names_;
  std::string key_;
  Where where_ = Where::kOutside;
  unsigned seen_ = 0;     ///< keys of the entry
  unsigned offsets_ = 0;  ///< of data_offsets
  std::string fault_;
};

}  // namespace

Result<TensorHeader> parse_tensor_header(std::string_view json) {
  HeaderReader reader;
  const bool complete = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return std::move(reader).take(complete);
}

std::string render_tensor_header(const TensorHeader& header) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json[kMetadata] = header.metadata;
  for (const TensorEntry& entry : header.tensors) {
    json[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace cairn::model
