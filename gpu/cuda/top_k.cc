#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "gpu/cuda/matrix.h"

// A batch is answered in passes over the matrix. The first is for all queries and mostly the only one:
//
//   prepare   codes and bounds of the queries
//   sample    a part of the tiles, evenly spread: the best lower bound of each; the k-th of them is a threshold
//   scan      all tiles: rows whose upper bound reaches the threshold are candidates
//   finish    candidates that k others are surely better than are dropped, the rest are scored in fp32 and sorted
//
// A query with more candidates than room is scanned again, with the k-th best score so far as threshold; if that is not
// enough, because very many rows score alike, it is swept: piece after piece of the matrix, none larger than the room,
// is scored in fp32 and merged with the best so far. A query that no bound holds for is scanned by scores.

namespace cairn::gpu::cuda {
namespace {

/// Room for a query's candidates: many times k, so that loose bounds and equal scores seldom exceed it.
constexpr std::uint32_t kCandidatesMin = 8192;
constexpr std::uint32_t kCandidatesPerAnswer = 32;
/// Candidates of all queries of a pass together; what memory a workspace takes follows from it.
constexpr std::uint32_t kCandidatesOfPass = 4U << 20;
constexpr std::uint32_t kSampledShare = 16;     // of the tiles, one in so many
constexpr std::uint32_t kSamplesPerAnswer = 4;  // at least so many for each row that is asked for
constexpr std::uint32_t kSamplesMax = 16384;

std::size_t aligned(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

/// Lays arrays one after the other into a piece of memory that is not there yet.
class Layout {
 public:
  template <class T>
  std::size_t add(std::size_t count) {
    const std::size_t at = size_;
    size_ += aligned(count * sizeof(T));
    return at;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

/// What the filters of some queries are on the device.
struct DeviceFilters {
  std::vector<FilterArgs> filters;
  bool filtered = false;
  bool biased = false;
  const TileRun* runs = nullptr;
  std::uint32_t run_count = 0;
  std::uint32_t work_tiles = 0;
  std::size_t work_rows = 0;
};

/// Copies what filters point to, each array once: small ones together, for a copy takes as long as many bytes do.
class FilterUpload {
 public:
  FilterUpload(const CudaItemMatrix& matrix, Workspace& workspace) : matrix_(matrix), workspace_(workspace) {}

  /// Returns: RESOURCE_EXHAUSTED.
  Result<DeviceFilters> upload(std::span<const RowFilter> filters) {
    DeviceFilters device;
    const bool restricted = find_runs(filters, device);
    std::vector<Places> places;
    for (const RowFilter& filter : filters) {
      places.push_back({.ranges = filter.ranges ? add(*filter.ranges) : Place{},
                        .allowed = filter.allowed ? add(*filter.allowed) : Place{},
                        .excluded = filter.excluded.empty() ? Place{} : add(filter.excluded),
                        .bias = filter.bias.empty() ? Place{} : add(filter.bias)});
    }
    const Place runs_at = restricted ? add(std::span<const TileRun>(runs_)) : Place{};
    CAIRN_RETURN_IF_ERROR(send());
    for (std::size_t i = 0; i < filters.size(); ++i) device.filters.push_back(args_of(filters[i], places[i], device));
    if (filters.empty()) device.filters.emplace_back();
    device.runs = at<TileRun>(runs_at);
    device.run_count = static_cast<std::uint32_t>(runs_.size());
    return device;
  }

 private:
  /// Arrays up to this are copied together.
  static constexpr std::size_t kTogetherBytes = 64 << 10;

  struct Place {
    bool there = false;
    bool together = true;
    std::size_t at = 0;  ///< in the part of the arrays that are copied together, which comes first, or in the other
  };
  struct Places {
    Place ranges, allowed, excluded, bias;
  };
  struct Copy {
    Place place;
    const void* from;
    std::size_t bytes;
  };

  /// The place of an array; one that is empty has a place too, which nobody reads.
  template <class T>
  Place add(std::span<const T> values) {
    const auto [known, fresh] = known_.try_emplace({values.data(), values.size_bytes()});
    if (!fresh) return known->second;
    Place& place = known->second;
    place = {true, values.size_bytes() <= kTogetherBytes, 0};
    place.at = (place.together ? together_ : alone_).add<T>(std::max<std::size_t>(values.size(), 1));
    if (!values.empty()) copies_.push_back({place, values.data(), values.size_bytes()});
    return place;
  }

  /// Returns: RESOURCE_EXHAUSTED.
  Status send() {
    const std::size_t bytes = together_.size() + alone_.size();
    if (bytes == 0) return ok_status();
    CAIRN_RETURN_IF_ERROR(workspace_.filter_data.reserve(bytes));
    if (together_.size() > 0) CAIRN_RETURN_IF_ERROR(workspace_.host_filter_data.reserve(together_.size()));
    for (const Copy& copy : copies_) {
      if (copy.place.together) {
        std::memcpy(workspace_.host_filter_data.data() + copy.place.at, copy.from, copy.bytes);
      } else {
        workspace_.stream.copy_to_device(on_device(copy.place), copy.from, copy.bytes);
      }
    }
    if (together_.size() > 0) {
      workspace_.stream.copy_to_device(workspace_.filter_data.data(), workspace_.host_filter_data.data(),
                                       together_.size());
    }
    return ok_status();
  }

  [[nodiscard]] unsigned char* on_device(Place place) const {
    return workspace_.filter_data.data() + (place.together ? 0 : together_.size()) + place.at;
  }
  template <class T>
  [[nodiscard]] const T* at(Place place) const {
    return place.there ? reinterpret_cast<const T*>(on_device(place)) : nullptr;
  }

  FilterArgs args_of(const RowFilter& filter, const Places& places, DeviceFilters& device) const {
    FilterArgs args;
    args.ranges = at<RowRange>(places.ranges);
    args.range_count = filter.ranges ? static_cast<std::uint32_t>(filter.ranges->size()) : 0;
    args.allowed = at<std::uint64_t>(places.allowed);
    args.excluded = at<std::uint32_t>(places.excluded);
    args.excluded_count = static_cast<std::uint32_t>(filter.excluded.size());
    args.bias = at<float>(places.bias);
    device.filtered |= args.ranges != nullptr || args.allowed != nullptr || args.excluded != nullptr;
    device.biased |= args.bias != nullptr;
    return args;
  }

  /// The tiles that any of the filters' ranges touch; false when some filter has no ranges, and all tiles are.
  bool find_runs(std::span<const RowFilter> filters, DeviceFilters& device) {
    const bool restricted =
        !filters.empty() &&
        std::all_of(filters.begin(), filters.end(), [](const RowFilter& filter) { return filter.ranges.has_value(); });
    if (!restricted) {
      device.work_tiles = matrix_.args().tiles;
      device.work_rows = matrix_.rows();
      return false;
    }
    std::vector<RowRange> tiles;
    for (const RowFilter& filter : filters) {
      for (const RowRange& range : *filter.ranges) {
        if (range.begin < range.end) tiles.push_back({range.begin / kTileRows, (range.end - 1) / kTileRows + 1});
      }
    }
    std::sort(tiles.begin(), tiles.end(), [](const RowRange& a, const RowRange& b) { return a.begin < b.begin; });
    std::uint32_t covered = 0;
    for (const RowRange& range : tiles) {
      const std::uint32_t begin = std::max(range.begin, covered);
      if (begin >= range.end) continue;
      runs_.push_back({device.work_tiles, begin});
      device.work_tiles += range.end - begin;
      covered = range.end;
    }
    device.work_rows = std::min<std::size_t>(std::size_t{device.work_tiles} * kTileRows, matrix_.rows());
    return true;
  }

  const CudaItemMatrix& matrix_;
  Workspace& workspace_;
  Layout together_;
  Layout alone_;
  std::vector<TileRun> runs_;
  std::vector<Copy> copies_;
  std::map<std::pair<const void*, std::size_t>, Place> known_;
};

enum class Way : std::uint8_t { kCodes, kScores, kSweep };

/// Some queries of a batch, as many as one pass has room for.
class TopKChunk {
 public:
  TopKChunk(const CudaItemMatrix& matrix, Workspace& workspace, MatrixView queries, std::uint32_t k,
            DeviceFilters filters)
      : matrix_(matrix), workspace_(workspace), queries_(queries), k_(k), filters_(std::move(filters)) {}

  [[nodiscard]] static std::uint32_t capacity_of(std::size_t k) {
    return std::max(kCandidatesMin, static_cast<std::uint32_t>(k) * kCandidatesPerAnswer);
  }
  [[nodiscard]] static std::size_t queries_max(std::size_t k) { return kCandidatesOfPass / capacity_of(k); }

  /// Answers all queries, the first of which is number `first` of the answers.
  Status answer(std::size_t first, TopKAnswers* answers) {
    first_ = first;
    answers_ = answers;
    std::vector<Slot> slots;
    for (std::uint32_t query = 0; query < queries_.rows; ++query) slots.push_back(slot_of(query, -kInfinity));
    const Way way = fragments_of(slots.size()) == 0 ? Way::kScores : Way::kCodes;
    // Without codes, or with queries too long for shared memory, every row is scored.
    if (way == Way::kCodes) answers_->work.rows_scanned += filters_.work_rows * queries_.rows;
    if (way == Way::kScores) answers_->work.queries_exact += queries_.rows;
    Again again;
    CAIRN_RETURN_IF_ERROR(run(slots, way, Repetition::kFirst, &again));
    if (!again.unbounded.empty()) {
      answers_->work.rows_scanned -= filters_.work_rows * again.unbounded.size();
      answers_->work.queries_exact += again.unbounded.size();
      CAIRN_RETURN_IF_ERROR(run(again.unbounded, Way::kScores, Repetition::kFirst, &again));
    }
    // Queries with more candidates than room: once more with a better threshold, then by a sweep, which always ends.
    std::vector<Slot> swept = std::exchange(again.tied, {});
    if (!again.overflowed.empty()) {
      const std::vector<Slot> overflowed = std::exchange(again.overflowed, {});
      CAIRN_RETURN_IF_ERROR(run(overflowed, way, Repetition::kLater, &again));
      swept.insert(swept.end(), again.tied.begin(), again.tied.end());
    }
    if (!swept.empty()) CAIRN_RETURN_IF_ERROR(run(swept, Way::kSweep, Repetition::kLater, &again));
    return ok_status();
  }

 private:
  enum class Repetition : std::uint8_t { kFirst, kLater };

  /// Queries that a pass did not answer, and why.
  struct Again {
    std::vector<Slot> unbounded = {};
    std::vector<Slot> overflowed = {};  ///< a higher threshold is known now
    std::vector<Slot> tied = {};        ///< a threshold alone does not help
  };

  /// Where the parts of the input and the output stand.
  struct InputPlaces {
    std::size_t slots, filters, queries, size;
  };
  struct OutputPlaces {
    std::size_t results, rows, scores, size;
  };

  [[nodiscard]] Slot slot_of(std::uint32_t query, float threshold) const {
    return {.query = query, .filter = filters_.filters.size() > 1 ? query : 0, .threshold = threshold};
  }

  /// Of the scan by codes; 0: codes cannot be scanned.
  [[nodiscard]] std::uint32_t fragments_of(std::size_t slots) const {
    const MatrixArgs& matrix = matrix_.args();
    if (matrix.codes == nullptr) return 0;
    const std::size_t room = matrix_.context().traits().shared_bytes_max;
    const auto fits = [&](std::uint32_t fragments) {
      return scan_shared_bytes(matrix.code_kind, matrix.layout.steps, fragments) <= room;
    };
    // Wide blocks read codes once for 64 queries, but need shared memory for all of these. For 8 queries or fewer, most
    // of a wide block's work would be for queries that do not exist.
    if (slots > kFragmentQueries && fits(kWideFragments)) return kWideFragments;
    return fits(1) ? 1 : 0;
  }

  [[nodiscard]] InputPlaces input_places(std::size_t slots) const {
    Layout layout;
    InputPlaces places{};
    places.slots = layout.add<Slot>(slots);
    places.filters = layout.add<FilterArgs>(filters_.filters.size());
    places.queries = layout.add<float>(queries_.values.size());
    places.size = layout.size();
    return places;
  }

  [[nodiscard]] OutputPlaces output_places(std::size_t slots) const {
    Layout layout;
    OutputPlaces places{};
    places.results = layout.add<SlotResult>(slots);
    places.rows = layout.add<std::uint32_t>(slots * k_);
    places.scores = layout.add<float>(slots * k_);
    places.size = layout.size();
    return places;
  }

  /// Which tiles are sampled; none when all rows have room as candidates.
  [[nodiscard]] WorkRange sample_range() const {
    const std::uint32_t tiles = filters_.work_tiles;
    if (tiles <= capacity_of(k_) / kTileRows / 2) return {};
    // Enough samples that the k-th best of them is a sharp threshold, and few enough that sampling costs little beside
    // the scan of all tiles.
    const std::uint32_t wanted = std::min(std::max(tiles / kSampledShare, k_ * kSamplesPerAnswer), kSamplesMax);
    const std::uint32_t stride = std::max(1U, tiles / wanted);
    return {.begin = 0, .end = ceil_divide(tiles, stride), .stride = stride};
  }

  /// Makes room for a pass and says where it is.
  Result<PassArgs> arrange(std::size_t slot_count, Way way) {
    PassArgs pass;
    pass.slot_count = static_cast<std::uint32_t>(slot_count);
    pass.dim = static_cast<std::uint32_t>(matrix_.dim());
    pass.k = k_;
    pass.filtered = filters_.filtered ? 1 : 0;
    pass.biased = filters_.biased ? 1 : 0;
    pass.runs = filters_.runs;
    pass.run_count = filters_.run_count;
    pass.capacity = capacity_of(k_);
    pass.fragments = way == Way::kCodes ? fragments_of(slot_count) : 1;
    pass.sample_stride = sample_range().end;

    const InputPlaces in = input_places(slot_count);
    const OutputPlaces out = output_places(slot_count);
    CAIRN_RETURN_IF_ERROR(workspace_.host_input.reserve(in.size));
    CAIRN_RETURN_IF_ERROR(workspace_.input.reserve(in.size));
    CAIRN_RETURN_IF_ERROR(workspace_.output.reserve(out.size));
    CAIRN_RETURN_IF_ERROR(workspace_.host_output.reserve(out.size));
    unsigned char* input = workspace_.input.data();
    pass.slots = reinterpret_cast<const Slot*>(input + in.slots);
    pass.filters = reinterpret_cast<const FilterArgs*>(input + in.filters);
    pass.queries = reinterpret_cast<const float*>(input + in.queries);
    unsigned char* output = workspace_.output.data();
    pass.results = reinterpret_cast<SlotResult*>(output + out.results);
    pass.result_rows = reinterpret_cast<std::uint32_t*>(output + out.rows);
    pass.result_scores = reinterpret_cast<float*>(output + out.scores);
    CAIRN_RETURN_IF_ERROR(arrange_state(pass));
    CAIRN_RETURN_IF_ERROR(arrange_candidates(pass));
    // Arrays may have moved when they grew, and recorded graphs hold their old addresses.
    workspace_.forget_moved_graphs();
    return pass;
  }

  Status arrange_state(PassArgs& pass) {
    const std::size_t slots = pass.slot_count;
    Layout layout;
    const std::size_t bounds = layout.add<QueryBound>(slots);
    const std::size_t unbounded = layout.add<std::uint32_t>(slots);
    const std::size_t thresholds = layout.add<float>(slots);
    const std::size_t counts = layout.add<std::uint32_t>(slots);
    const std::size_t kept_counts = layout.add<std::uint32_t>(slots);
    CAIRN_RETURN_IF_ERROR(workspace_.slot_state.reserve(layout.size()));
    unsigned char* state = workspace_.slot_state.data();
    pass.bounds = reinterpret_cast<QueryBound*>(state + bounds);
    pass.unbounded = reinterpret_cast<std::uint32_t*>(state + unbounded);
    pass.thresholds = reinterpret_cast<float*>(state + thresholds);
    pass.counts = reinterpret_cast<std::uint32_t*>(state + counts);
    pass.kept_counts = reinterpret_cast<std::uint32_t*>(state + kept_counts);
    const std::size_t group_queries = std::size_t{pass.fragments} * kFragmentQueries;
    const std::size_t groups = (slots + group_queries - 1) / group_queries;
    const std::size_t pairs = (pass.fragments + 1) / 2;
    const std::size_t code_bytes = groups * matrix_.args().layout.steps * pairs * kQueryPairBytes;
    if (code_bytes > 0) CAIRN_RETURN_IF_ERROR(workspace_.query_codes.reserve(code_bytes));
    pass.query_codes = workspace_.query_codes.data();
    const std::size_t samples = slots * pass.sample_stride;
    if (samples > 0) CAIRN_RETURN_IF_ERROR(workspace_.samples.reserve(samples));
    pass.samples = workspace_.samples.data();
    return ok_status();
  }

  Status arrange_candidates(PassArgs& pass) {
    const std::size_t count = std::size_t{pass.slot_count} * pass.capacity;
    Layout layout;
    const std::size_t keys = layout.add<std::uint64_t>(count);
    const std::size_t rows = layout.add<std::uint32_t>(count);
    const std::size_t lower = layout.add<float>(count);
    const std::size_t upper = layout.add<float>(count);
    const std::size_t kept_rows = layout.add<std::uint32_t>(count);
    CAIRN_RETURN_IF_ERROR(workspace_.candidates.reserve(layout.size()));
    unsigned char* candidates = workspace_.candidates.data();
    pass.keys = reinterpret_cast<std::uint64_t*>(candidates + keys);
    pass.candidate_rows = reinterpret_cast<std::uint32_t*>(candidates + rows);
    pass.candidate_lower = reinterpret_cast<float*>(candidates + lower);
    pass.candidate_upper = reinterpret_cast<float*>(candidates + upper);
    pass.kept_rows = reinterpret_cast<std::uint32_t*>(candidates + kept_rows);
    return ok_status();
  }

  void fill_input(const std::vector<Slot>& slots) {
    const InputPlaces in = input_places(slots.size());
    unsigned char* host = workspace_.host_input.data();
    std::memcpy(host + in.slots, slots.data(), slots.size() * sizeof(Slot));
    std::memcpy(host + in.filters, filters_.filters.data(), filters_.filters.size() * sizeof(FilterArgs));
    std::memcpy(host + in.queries, queries_.values.data(), queries_.values.size_bytes());
  }

  /// The work of a pass, from input to output.
  void record(Stream& stream, const PassArgs& pass, Way way, bool sampled) const {
    const DeviceTraits& traits = matrix_.context().traits();
    const MatrixArgs& matrix = matrix_.args();
    stream.copy_to_device(workspace_.input.data(), workspace_.host_input.data(), input_places(pass.slot_count).size);
    MatrixArgs without_codes = matrix;
    without_codes.codes = nullptr;
    launch_prepare(stream, way == Way::kCodes ? matrix : without_codes, pass);
    const WorkRange all = {.begin = 0, .end = filters_.work_tiles, .stride = 1};
    if (way == Way::kSweep) {
      sweep(stream, pass);
    } else {
      const auto scan = way == Way::kCodes ? launch_code_scan : launch_exact_scan;
      if (sampled) {
        scan(stream, traits, matrix, pass, ScanGoal::kSample, sample_range());
        launch_raise_thresholds(stream, pass, sample_range().end);
      }
      scan(stream, traits, matrix, pass, ScanGoal::kCollect, all);
      launch_finish(stream, traits, matrix, pass);
    }
    stream.copy_from_device(workspace_.host_output.data(), workspace_.output.data(),
                            output_places(pass.slot_count).size);
  }

  void sweep(Stream& stream, const PassArgs& pass) const {
    const DeviceTraits& traits = matrix_.context().traits();
    // The best k so far and all rows of a piece together fit the room for candidates, so nothing can overflow.
    const std::uint32_t piece = (pass.capacity - pass.k) / kTileRows;
    for (std::uint32_t begin = 0; begin < filters_.work_tiles; begin += piece) {
      if (begin > 0) launch_reseed(stream, pass);
      const WorkRange range = {.begin = begin, .end = std::min(filters_.work_tiles, begin + piece), .stride = 1};
      launch_exact_scan(stream, traits, matrix_.args(), pass, ScanGoal::kCollect, range);
      launch_finish(stream, traits, matrix_.args(), pass);
    }
  }

  Status run(const std::vector<Slot>& slots, Way way, Repetition repetition, Again* again) {
    CAIRN_ASSIGN_OR_RETURN(const PassArgs pass, arrange(slots.size(), way));
    fill_input(slots);
    const bool sampled = repetition == Repetition::kFirst && sample_range().end > 0;
    const auto work = [&](Stream& stream) { record(stream, pass, way, sampled); };
    // Only passes whose work depends on their shape alone are recorded. Repetitions and runs of tiles differ from call
    // to call.
    if (repetition == Repetition::kFirst && filters_.runs == nullptr) {
      const PassShape shape = {.matrix = matrix_.id(),
                               .queries = static_cast<std::uint32_t>(queries_.rows),
                               .slots = pass.slot_count,
                               .filters = static_cast<std::uint32_t>(filters_.filters.size()),
                               .k = k_,
                               .filtered = pass.filtered,
                               .biased = pass.biased,
                               .exact = way == Way::kScores ? 1U : 0U,
                               .sampled = sampled ? 1U : 0U};
      CAIRN_RETURN_IF_ERROR(workspace_.run(shape, work));
    } else {
      work(workspace_.stream);
    }
    CAIRN_RETURN_IF_ERROR(workspace_.stream.wait());
    read_output(slots, way, repetition, again);
    return ok_status();
  }

  void read_output(const std::vector<Slot>& slots, Way way, Repetition repetition, Again* again) {
    const OutputPlaces out = output_places(slots.size());
    const unsigned char* host = workspace_.host_output.data();
    if (way != Way::kCodes) answers_->work.rows_scored += filters_.work_rows * slots.size();
    std::vector<Slot> unbounded;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      SlotResult result;
      std::memcpy(&result, host + out.results + i * sizeof(SlotResult), sizeof(result));
      if (way == Way::kCodes) answers_->work.rows_scored += result.scored;
      if (result.unbounded != 0) {
        unbounded.push_back(slot_of(slots[i].query, -kInfinity));
      } else if (result.overflowed != 0 && repetition == Repetition::kFirst && way == Way::kCodes) {
        again->overflowed.push_back(slot_of(slots[i].query, result.threshold));
      } else if (result.overflowed != 0) {
        again->tied.push_back(slot_of(slots[i].query, -kInfinity));
      } else {
        keep_answer(slots[i].query, result.found, host + out.rows + i * k_ * sizeof(std::uint32_t),
                    host + out.scores + i * k_ * sizeof(float));
      }
    }
    again->unbounded = std::move(unbounded);
  }

  void keep_answer(std::uint32_t query, std::uint32_t found, const unsigned char* rows, const unsigned char* scores) {
    const std::size_t at = (first_ + query) * k_;
    std::memcpy(answers_->rows.data() + at, rows, found * sizeof(std::uint32_t));
    std::memcpy(answers_->scores.data() + at, scores, found * sizeof(float));
    answers_->counts[first_ + query] = found;
  }

  const CudaItemMatrix& matrix_;
  Workspace& workspace_;
  MatrixView queries_;
  std::uint32_t k_;
  DeviceFilters filters_;
  std::size_t first_ = 0;
  TopKAnswers* answers_ = nullptr;
};

std::span<const RowFilter> filters_of(const TopKBatch& batch, std::size_t first, std::size_t count) {
  return batch.filters.size() > 1 ? batch.filters.subspan(first, count) : batch.filters;
}

}  // namespace

Status CudaItemMatrix::top_k(const TopKBatch& batch, TopKAnswers* answers) const {
  CAIRN_RETURN_IF_ERROR(check_batch(batch, rows(), dim()));
  const std::size_t queries = batch.queries.rows;
  answers->reset(queries, batch.k);
  if (queries == 0 || batch.k == 0 || rows() == 0) return ok_status();
  CAIRN_ASSIGN_OR_RETURN(WorkspaceLease workspace, WorkspaceLease::take(*context_));
  const std::size_t queries_max = TopKChunk::queries_max(batch.k);
  for (std::size_t first = 0; first < queries; first += queries_max) {
    const std::size_t count = std::min(queries_max, queries - first);
    const MatrixView part = {batch.queries.values.subspan(first * dim(), count * dim()), count, dim()};
    FilterUpload upload(*this, *workspace);
    CAIRN_ASSIGN_OR_RETURN(DeviceFilters filters, upload.upload(filters_of(batch, first, count)));
    TopKChunk chunk(*this, *workspace, part, static_cast<std::uint32_t>(batch.k), std::move(filters));
    CAIRN_RETURN_IF_ERROR(chunk.answer(first, answers));
  }
  return ok_status();
}

}  // namespace cairn::gpu::cuda
