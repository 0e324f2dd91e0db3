#include "engine/ranking/ranker_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/model/safetensors.h"
#include "engine/ranking/score/network_inputs.h"

namespace cairn::ranking {

namespace {

constexpr std::size_t kHeadsMax = 64;
constexpr std::size_t kLayersMax = 8;
constexpr std::size_t kOutputsMax = 4096;

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ",") + std::string(name);
  return text;
}

/// The names of the inputs stand beside the tensors, so that numbers fitted for other inputs are told apart.
Status check_inputs(const model::TensorFile& file, const std::string& key, std::span<const std::string_view> names) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    return invalid_argument(file.path() + ": its metadata lacks '" + key + "', the names of the inputs");
  }
  if (found->second == joined(names)) return ok_status();
  return invalid_argument(file.path() + ": it was trained for other inputs than this version of Cairn has (" + key +
                          " should be '" + joined(names) + "'); train a ranker anew with `cairn train --kind ranker`");
}

Result<std::vector<float>> read_numbers(const model::TensorFile& file, const std::string& name,
                                        const std::vector<std::size_t>& shape) {
  std::vector<std::size_t> found;
  CAIRN_ASSIGN_OR_RETURN(const auto values, file.values<float>(name, shape.size(), &found));
  if (found != shape) {
    std::string wanted;
    for (const std::size_t size : shape) wanted += (wanted.empty() ? "" : " x ") + std::to_string(size);
    return file.fault(name, "must have the shape " + wanted);
  }
  for (const float value : values) {
    if (!std::isfinite(value)) return file.fault(name, "has a number that is not finite");
  }
  return std::vector<float>(values.begin(), values.end());
}

/// `inputs` are known; `outputs` as well, or 0.
Result<NetworkNumbers> read_numbers(const model::TensorFile& file, const std::string& part, std::size_t inputs,
                                    std::size_t outputs) {
  NetworkNumbers numbers;
  CAIRN_ASSIGN_OR_RETURN(numbers.mean, read_numbers(file, part + ".mean", {inputs}));
  CAIRN_ASSIGN_OR_RETURN(numbers.scale, read_numbers(file, part + ".scale", {inputs}));
  for (;;) {
    const std::string layer = part + "." + std::to_string(numbers.layers.size());
    const model::TensorView* weights = file.find(layer + ".weight");
    if (weights == nullptr && !numbers.layers.empty()) break;
    if (weights != nullptr && numbers.layers.size() == kLayersMax) {
      return file.fault(layer + ".weight", "is one layer more than the 8 there may be");
    }
    const std::size_t rows = weights == nullptr || weights->shape.empty() ? 0 : weights->shape[0];
    if (weights != nullptr && (rows == 0 || rows > kOutputsMax)) {
      return file.fault(layer + ".weight", "must have 1 to 4096 rows");
    }
    NetworkNumbers::Layer read{.inputs = inputs, .outputs = rows};
    CAIRN_ASSIGN_OR_RETURN(read.weights, read_numbers(file, layer + ".weight", {rows, inputs}));
    CAIRN_ASSIGN_OR_RETURN(read.biases, read_numbers(file, layer + ".bias", {rows}));
    inputs = rows;
    numbers.layers.push_back(std::move(read));
  }
  if (outputs != 0 && numbers.outputs() != outputs) {
    return file.fault(part + "." + std::to_string(numbers.layers.size() - 1) + ".weight",
                      "is of the last layer and must have " + std::to_string(outputs) + " row");
  }
  return numbers;
}

Result<RankerNetwork::Member> read_member(const model::TensorFile& file, const std::string& name) {
  RankerNetwork::Member member;
  CAIRN_ASSIGN_OR_RETURN(member.visits, read_numbers(file, name + ".visits", visit_input_names().size(), 0));
  if (member.heads() > kHeadsMax) return invalid_argument(file.path() + ": at most 64 heads are allowed");
  CAIRN_ASSIGN_OR_RETURN(member.places,
                         read_numbers(file, name + ".places", place_input_names().size() + member.heads(), 1));
  return member;
}

Result<RankerNetwork> read_tensors(const model::TensorFile& file) {
  CAIRN_RETURN_IF_ERROR(check_inputs(file, "visit_inputs", visit_input_names()));
  CAIRN_RETURN_IF_ERROR(check_inputs(file, "place_inputs", place_input_names()));
  RankerNetwork network{.digest = file.digest()};
  for (std::size_t i = 0; i == 0 || file.find(std::to_string(i) + ".visits.mean") != nullptr; ++i) {
    if (i == RankerNetwork::kMembersMax) return invalid_argument(file.path() + ": at most 16 members are allowed");
    CAIRN_ASSIGN_OR_RETURN(RankerNetwork::Member member, read_member(file, std::to_string(i)));
    network.members.push_back(std::move(member));
  }
  return network;
}

void add_tensors(const std::string& part, const NetworkNumbers& numbers, std::vector<model::TensorView>* tensors) {
  const auto add = [&](const std::string& name, std::vector<std::size_t> shape, const std::vector<float>& values) {
    tensors->push_back(model::tensor<float>(part + "." + name, std::move(shape), values));
  };
  add("mean", {numbers.mean.size()}, numbers.mean);
  add("scale", {numbers.scale.size()}, numbers.scale);
  for (std::size_t i = 0; i < numbers.layers.size(); ++i) {
    const NetworkNumbers::Layer& layer = numbers.layers[i];
    add(std::to_string(i) + ".weight", {layer.outputs, layer.inputs}, layer.weights);
    add(std::to_string(i) + ".bias", {layer.biases.size()}, layer.biases);
  }
}

}  // namespace

Result<RankerNetwork> parse_network(const std::string& name, std::span<const std::byte> bytes) {
  CAIRN_ASSIGN_OR_RETURN(const auto file, model::TensorFile::parse(name, bytes));
  return read_tensors(file);
}

Result<RankerNetwork> read_network(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const auto file, model::TensorFile::read(path));
  return read_tensors(file);
}

Status write_network(const std::string& path, const RankerNetwork& network) {
  std::vector<model::TensorView> tensors;
  for (std::size_t i = 0; i < network.members.size(); ++i) {
    add_tensors(std::to_string(i) + ".visits", network.members[i].visits, &tensors);
    add_tensors(std::to_string(i) + ".places", network.members[i].places, &tensors);
  }
  return model::write_safetensors(
      path, std::move(tensors),
      {{"visit_inputs", joined(visit_input_names())}, {"place_inputs", joined(place_input_names())}});
}

}  // namespace cairn::ranking
