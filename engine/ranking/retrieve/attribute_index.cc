#include "engine/ranking/retrieve/attribute_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace cairn::ranking {

namespace {

/// A column while places are read: values in the order in which they came.
struct Draft {
  std::unordered_map<AttributeScalar, std::uint32_t> codes;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> entries;  ///< code, row

  void add(AttributeScalar value, std::uint32_t row) {
    if (auto* number = std::get_if<double>(&value)) *number += 0.0;  // 0 and -0 are one value
    const auto code = codes.try_emplace(std::move(value), static_cast<std::uint32_t>(codes.size())).first->second;
    if (entries.empty() || entries.back() != std::pair(code, row)) entries.emplace_back(code, row);
  }
};

AttributeIndex::Column finished(Draft draft) {
  AttributeIndex::Column column;
  std::vector<std::pair<AttributeScalar, std::uint32_t>> values;
  values.reserve(draft.codes.size());
  while (!draft.codes.empty()) {
    auto node = draft.codes.extract(draft.codes.begin());
    values.emplace_back(std::move(node.key()), node.mapped());
  }
  std::sort(values.begin(), values.end());
  std::vector<std::uint32_t> place_of(values.size());  // by code
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    place_of[values[i].second] = i;
    column.values.push_back(std::move(values[i].first));
  }
  // Entries come by row, and are put down value by value in that order.
  column.begins.assign(column.values.size() + 1, 0);
  for (const auto& [code, row] : draft.entries) ++column.begins[place_of[code] + 1];
  std::partial_sum(column.begins.begin(), column.begins.end(), column.begins.begin());
  std::vector<std::uint32_t> next(column.begins.begin(), column.begins.end() - 1);
  column.rows.resize(draft.entries.size());
  for (const auto& [code, row] : draft.entries) column.rows[next[place_of[code]]++] = row;
  return column;
}

std::size_t bytes_of(const AttributeIndex::Column& column) {
  std::size_t bytes = column.values.capacity() * sizeof(AttributeScalar) +
                      (column.begins.capacity() + column.rows.capacity()) * sizeof(std::uint32_t);
  for (const AttributeScalar& value : column.values) {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && text->capacity() > 15) bytes += text->capacity() + 1;
  }
  return bytes;
}

}  // namespace

RowBits all_rows(std::size_t rows) {
  RowBits bits((rows + 63) / 64, ~std::uint64_t{0});
  if (rows % 64 != 0) bits.back() = (std::uint64_t{1} << (rows % 64)) - 1;
  return bits;
}

std::shared_ptr<const RowBits> all_of(std::span<const std::shared_ptr<const RowBits>> sets) {
  if (sets.empty()) return nullptr;
  if (sets.size() == 1) return sets.front();
  auto bits = std::make_shared<RowBits>(*sets.front());
  for (const auto& set : sets.subspan(1)) {
    for (std::size_t i = 0; i < bits->size(); ++i) (*bits)[i] &= (*set)[i];
  }
  return bits;
}

AttributeIndex::AttributeIndex(std::span<const Place> places) : rows_(places.size()) {
  std::unordered_map<std::string, Draft> drafts;
  for (std::uint32_t row = 0; row < places.size(); ++row) {
    const Place& place = places[row];
    if (!place.category.empty()) drafts["category"].add(place.category, row);
    for (const Attribute& attribute : place.attributes) {
      Draft& draft = drafts[attribute.name];
      if (const auto* list = std::get_if<std::vector<AttributeScalar>>(&attribute.value)) {
        for (const AttributeScalar& one : *list) draft.add(one, row);
      } else if (const auto* flag = std::get_if<bool>(&attribute.value)) {
        draft.add(*flag, row);
      } else if (const auto* number = std::get_if<double>(&attribute.value)) {
        draft.add(*number, row);
      } else {
        draft.add(std::get<std::string>(attribute.value), row);
      }
    }
  }
  for (auto& [name, draft] : drafts) {
    const Column& column = columns_.emplace(name, finished(std::move(draft))).first->second;
    memory_bytes_ += bytes_of(column) + name.capacity() + sizeof(Column);
  }
}

const AttributeIndex::Column* AttributeIndex::find(std::string_view name) const {
  const auto at = columns_.find(std::string(name));
  return at == columns_.end() ? nullptr : &at->second;
}

std::vector<std::string> AttributeIndex::names() const {
  std::vector<std::string> names;
  for (const auto& [name, column] : columns_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

bool AttributeIndex::Column::has_kind(std::size_t kind) const noexcept {
  const auto at = std::lower_bound(values.begin(), values.end(), kind,
                                   [](const AttributeScalar& value, std::size_t k) { return value.index() < k; });
  return at != values.end() && at->index() == kind;
}

void AttributeIndex::Column::find(const features::AttributeTest& test, RowBits* bits) const {
  using Is = features::AttributeTest::Is;
  const auto take = [&](auto from, auto to) {
    const std::uint32_t first = begins[static_cast<std::size_t>(from - values.begin())];
    const std::uint32_t last = begins[static_cast<std::size_t>(to - values.begin())];
    for (std::uint32_t i = first; i < last; ++i) set_row(rows[i], bits);
  };
  if (test.is == Is::kPresent) return take(values.begin(), values.end());
  if (test.is == Is::kIn) {
    for (const AttributeScalar& value : test.values) {
      const auto [from, to] = std::equal_range(values.begin(), values.end(), value);
      take(from, to);
    }
    return;
  }
  // Values of one kind stand together, and only those have an order.
  const AttributeScalar& bound = test.values.front();
  const auto of_kind = [](const AttributeScalar& value, std::size_t kind) { return value.index() < kind; };
  const auto begin = std::lower_bound(values.begin(), values.end(), bound.index(), of_kind);
  const auto end = std::lower_bound(values.begin(), values.end(), bound.index() + 1, of_kind);
  switch (test.is) {
    case Is::kBelow:
      return take(begin, std::lower_bound(begin, end, bound));
    case Is::kAtMost:
      return take(begin, std::upper_bound(begin, end, bound));
    case Is::kAbove:
      return take(std::upper_bound(begin, end, bound), end);
    case Is::kAtLeast:
      return take(std::lower_bound(begin, end, bound), end);
    case Is::kIn:
    case Is::kPresent:
      break;
  }
}

}  // namespace cairn::ranking
