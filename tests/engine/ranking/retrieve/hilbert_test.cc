#include "engine/ranking/retrieve/hilbert.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

namespace {

using cairn::ranking::grid_cell;
using cairn::ranking::GridCell;
using cairn::ranking::hilbert_key;
using cairn::ranking::kHilbertOrder;

TEST_CASE("neighbours on the curve are neighbours on the grid") {
  // All cells of one aligned square of 64 x 64, put in order of their keys: a walk of single steps.
  const std::uint32_t x0 = 64 * 100'003;
  const std::uint32_t y0 = 64 * 77'777;
  std::map<std::uint64_t, GridCell> walk;
  for (std::uint32_t x = x0; x < x0 + 64; ++x) {
    for (std::uint32_t y = y0; y < y0 + 64; ++y) walk[hilbert_key({x, y})] = {x, y};
  }
  REQUIRE(walk.size() == 64 * 64);
  CHECK(walk.rbegin()->first - walk.begin()->first == 64 * 64 - 1);
  CHECK(walk.begin()->first % (64 * 64) == 0);
  const GridCell* previous = nullptr;
  for (const auto& [key, cell] : walk) {
    if (previous != nullptr) {
      const auto step = [](std::uint32_t a, std::uint32_t b) { return a > b ? a - b : b - a; };
      REQUIRE(step(cell.x, previous->x) + step(cell.y, previous->y) == 1);
    }
    previous = &cell;
  }
}

TEST_CASE("the four quarters of a square follow each other on the curve, and each holds its own cells") {
  const std::uint32_t seed = 11;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 1'000; ++i) {
    const GridCell cell{static_cast<std::uint32_t>(random() % (1u << kHilbertOrder)),
                        static_cast<std::uint32_t>(random() % (1u << kHilbertOrder))};
    cairn::ranking::HilbertSquare square;
    while (square.level > 0) {
      const std::uint64_t size = std::uint64_t{1} << 2 * (square.level - 1);
      int holding = 0;
      cairn::ranking::HilbertSquare next;
      for (unsigned q = 0; q < 4; ++q) {
        const auto quarter = square.quarter(q);
        REQUIRE(quarter.first == square.first + q * size);
        const std::uint32_t side = 1u << quarter.level;
        if (cell.x - quarter.corner.x >= side || cell.y - quarter.corner.y >= side) continue;  // unsigned: wraps
        ++holding;
        next = quarter;
      }
      REQUIRE(holding == 1);
      square = next;
    }
    REQUIRE(square.first == hilbert_key(cell));
  }
}

TEST_CASE("the corners of the Earth lie on the grid") {
  constexpr std::uint32_t kLast = (1u << kHilbertOrder) - 1;
  CHECK(grid_cell({-90.0, -180.0}).x == 0);
  CHECK(grid_cell({-90.0, -180.0}).y == 0);
  CHECK(grid_cell({90.0, 180.0}).x == kLast);
  CHECK(grid_cell({90.0, 180.0}).y == kLast);
  CHECK(grid_cell({0.0, 0.0}).x == 1u << (kHilbertOrder - 1));
}

TEST_CASE("a cell further north or east never has a smaller coordinate") {
  const std::uint32_t seed = 7;
  INFO("seed ", seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> lat(-90.0, 90.0);
  std::uniform_real_distribution<double> lon(-180.0, 180.0);
  for (int i = 0; i < 10'000; ++i) {
    const cairn::GeoPoint a{lat(random), lon(random)};
    const cairn::GeoPoint b{lat(random), lon(random)};
    if (a.lat <= b.lat) CHECK(grid_cell(a).y <= grid_cell(b).y);
    if (a.lon <= b.lon) CHECK(grid_cell(a).x <= grid_cell(b).x);
  }
}

}  // namespace
