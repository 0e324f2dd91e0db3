#include "gpu/cpu/code_tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gpu/norm.h"
#include "gpu/parallel.h"

namespace cairn::gpu {
namespace {

std::size_t rounded_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit * unit; }
std::size_t divided_up(std::size_t value, std::size_t unit) { return (value + unit - 1) / unit; }

void widen(CodeTiles::GroupBound* bound, const CodeTiles::GroupBound& other) {
  bound->code_norm = std::max(bound->code_norm, other.code_norm);
  bound->error_norm = std::max(bound->error_norm, other.error_norm);
}

}  // namespace

CodeTiles::CodeTiles(std::size_t rows, std::size_t dim, const CodeTilesOptions& options, const RowReader& read)
    : rows_(rows),
      dim_(dim),
      int4_(options.code_max == kInt4CodeMax),
      group_columns_(int4_ ? options.int4_group : std::max<std::size_t>(dim, 1)),
      groups_(std::max<std::size_t>(1, divided_up(dim, group_columns_))),
      scale_bytes_(options.tile_scales ? 0 : groups_ * kTileRows * sizeof(float)),
      group_quads_(1, 0),
      tile_scales_(options.tile_scales ? divided_up(rows, kTileRows) : 0, 1.0F),
      scannable_(divided_up(rows, kTileRows), 0) {
  for (std::size_t g = 0; g < groups_; ++g) {
    // int4 kernels multiply two quads at once, since a byte holds a code of each.
    const std::size_t columns = rounded_up(group_end(g) - group_begin(g), int4_ ? 8 : 4);
    group_quads_.push_back(group_quads_.back() + static_cast<std::uint32_t>(columns / 4));
  }
  tile_bytes_ = scale_bytes_ + quads() * kTileRows * (int4_ ? 2 : 4);
  tiles_ = Buffer(tiles() * tile_bytes_);
  const std::size_t spans = divided_up(tiles(), kSpanTiles);
  bounds_.resize(spans * groups_);
  std::vector<double> norms(spans, 0.0);
  parallel_for(options.threads, spans, [&](std::size_t span) { encode_span(span, options, read, &norms[span]); });
  // Each span has written to its own place, so that neither locks nor the number of threads matter.
  for (const double norm : norms) largest_norm_ = std::max(largest_norm_, norm);
  largest_bounds_.resize(groups_);
  for (std::size_t i = 0; i < bounds_.size(); ++i) widen(&largest_bounds_[i % groups_], bounds_[i]);
  for (std::size_t row = 0; row < rows_; ++row) {
    if ((scannable_[row / kTileRows] >> (row % kTileRows) & 1) == 0) {
      rows_without_codes_.push_back(static_cast<std::uint32_t>(row));
    }
  }
}

std::size_t CodeTiles::group_end(std::size_t group) const noexcept {
  return std::min(dim_, (group + 1) * group_columns_);
}

CodeTilesView CodeTiles::view() const noexcept {
  return {.tiles = tiles_.as<std::uint8_t>(),
          .tile_bytes = tile_bytes_,
          .scale_bytes = scale_bytes_,
          .tile_scales = tile_scales_.data(),
          .scannable = scannable_.data(),
          .groups = groups_,
          .group_quads = group_quads_.data()};
}

std::size_t CodeTiles::bytes() const noexcept {
  return tiles_.bytes() + tile_scales_.size() * sizeof(float) + scannable_.size() * sizeof(std::uint64_t) +
         bounds_.size() * sizeof(GroupBound) + rows_without_codes_.size() * sizeof(std::uint32_t);
}

/// What rows are encoded in, one tile at a time.
struct CodeTiles::Workspace {
  Workspace(std::size_t dim) : values(kTileRows * dim), decoded(dim), codes(dim) {}

  std::vector<float> values;  // [row of the tile][dim]
  std::vector<float> decoded;
  std::vector<std::int8_t> codes;
};

void CodeTiles::encode_span(std::size_t span, const CodeTilesOptions& options, const RowReader& read,
                            double* largest_norm) {
  Workspace work(dim_);
  const auto bounds = std::span(bounds_).subspan(span * groups_, groups_);
  const std::size_t tile_end = std::min(tiles(), (span + 1) * kSpanTiles);
  for (std::size_t tile = span * kSpanTiles; tile < tile_end; ++tile) {
    const std::size_t first = tile * kTileRows;
    const std::size_t end = std::min(rows_, first + kTileRows);
    // All rows of a tile are read before any is coded, because they may share a scale.
    float largest_scale = 0.0F;
    for (std::size_t row = first; row < end; ++row) {
      const auto values = std::span(work.values).subspan((row - first) * dim_, dim_);
      if (!read(row, values)) continue;
      scannable_[tile] |= std::uint64_t{1} << (row - first);
      if (options.tile_scales) largest_scale = std::max(largest_scale, full_scale(values, kInt8CodeMax));
    }
    if (scannable_[tile] == 0) continue;
    // The scale of the largest row: every row of the tile fits the range of codes with it.
    if (options.tile_scales) tile_scales_[tile] = largest_scale;
    for (std::uint64_t left = scannable_[tile]; left != 0; left &= left - 1) {
      const std::size_t row = first + static_cast<std::size_t>(__builtin_ctzll(left));
      encode_row(row, options, &work, bounds);
      const auto values = std::span<const float>(work.values).subspan((row - first) * dim_, dim_);
      *largest_norm = std::max(*largest_norm, norm_of(options.codes_are_values ? work.decoded : values));
    }
  }
}

void CodeTiles::encode_row(std::size_t row, const CodeTilesOptions& options, Workspace* work,
                           std::span<GroupBound> bounds) {
  for (std::size_t g = 0; g < groups_; ++g) {
    const std::size_t begin = group_begin(g);
    const std::size_t count = group_end(g) - begin;
    const auto codes = std::span(work->codes).subspan(begin, count);
    const auto values = std::span<const float>(work->values).subspan(row % kTileRows * dim_ + begin, count);
    const auto importance = options.importance.empty() ? options.importance : options.importance.subspan(begin, count);
    GroupCode code = options.tile_scales ? quantize_to_scale(values, tile_scales_[row / kTileRows], kInt8CodeMax, codes)
                                         : quantize_group(values, importance, options.code_max, codes);
    store_codes(row, g, codes, code.scale);
    // Scores are then defined over the decoded codes, which the codes miss by nothing but the rounding of the product.
    if (options.codes_are_values) {
      const auto decoded = std::span(work->decoded).subspan(begin, count);
      for (std::size_t j = 0; j < count; ++j) decoded[j] = code.scale * static_cast<float>(codes[j]);
      code = bounds_of(decoded, codes, code.scale);
    }
    widen(&bounds[g], {.code_norm = code.code_norm, .error_norm = code.error_norm});
  }
}

std::size_t CodeTiles::scale_at(std::size_t row, std::size_t group) const noexcept {
  return row / kTileRows * tile_bytes_ + (group * kTileRows + row % kTileRows) * sizeof(float);
}

/// Where the code of a column stands, and by how many bits it is shifted there.
std::size_t CodeTiles::code_at(std::size_t row, std::size_t group, std::size_t column, int* shift) const noexcept {
  const std::size_t offset = column - group_begin(group);
  const std::size_t tile = row / kTileRows * tile_bytes_ + scale_bytes_;
  const std::size_t lane = row % kTileRows * 4 + offset % 4;
  const std::size_t quad = group_quads_[group] + offset / 4;
  if (!int4_) {
    *shift = 0;
    return tile + quad * 4 * kTileRows + lane;
  }
  // Even quads are in the low halves of the bytes, and the odd quads after them in the high halves.
  *shift = quad % 2 == 0 ? 0 : 4;
  return tile + quad / 2 * 4 * kTileRows + lane;
}

void CodeTiles::store_codes(std::size_t row, std::size_t group, std::span<const std::int8_t> codes, float scale) {
  auto* bytes = tiles_.as<std::uint8_t>();
  if (scale_bytes_ > 0) std::memcpy(bytes + scale_at(row, group), &scale, sizeof scale);
  const std::size_t begin = group_begin(group);
  const std::size_t columns = (group_quads_[group + 1] - group_quads_[group]) * std::size_t{4};
  for (std::size_t i = 0; i < columns; ++i) {
    int shift = 0;
    const std::size_t at = code_at(row, group, begin + i, &shift);
    const int code = i < codes.size() ? codes[i] : 0;
    const int stored = code + excess();
    // The buffer is zero at first, and both halves of a byte are written once.
    bytes[at] = static_cast<std::uint8_t>(bytes[at] | stored << shift);
  }
}

void CodeTiles::decode(std::size_t row, std::span<float> values) const {
  const auto* bytes = tiles_.as<std::uint8_t>();
  for (std::size_t g = 0; g < groups_; ++g) {
    float scale = scale_bytes_ > 0 ? 0.0F : tile_scales_[row / kTileRows];
    if (scale_bytes_ > 0) std::memcpy(&scale, bytes + scale_at(row, g), sizeof scale);
    // One product, rounded once: the value that scores are defined over where codes are the values.
    for (std::size_t j = group_begin(g); j < group_end(g); ++j) {
      int shift = 0;
      const std::size_t at = code_at(row, g, j, &shift);
      const int code = int4_ ? (bytes[at] >> shift & 0x0F) - excess() : bytes[at] - excess();
      values[j] = scale * static_cast<float>(code);
    }
  }
}

void CodeTiles::arrange(std::span<const std::int8_t> codes, std::span<std::int32_t> quads) const {
  for (std::size_t g = 0; g < groups_; ++g) {
    for (std::size_t quad = group_quads_[g]; quad < group_quads_[g + 1]; ++quad) {
      const std::size_t first = group_begin(g) + (quad - group_quads_[g]) * 4;
      std::int8_t four[4] = {};
      for (std::size_t c = 0; c < 4 && first + c < group_end(g); ++c) four[c] = codes[first + c];
      std::memcpy(&quads[quad], four, sizeof four);
    }
  }
}

}  // namespace cairn::gpu
