#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gpu/cuda/scan_table.h"
#include "gpu/quantize.h"
#include "gpu/scan_terms.h"

// A batch is answered in passes over the table, each for up to 64 queries:
//
//   lists    a word a tile and query says which rows ranges, bitmap and exclusions let pass; rows that are added to are
//            scored here and taken out
//   stages   every 16^n-th tile, then every 16^(n-1)-th …, at last all. The k-th best score of a stage, less the slack,
//            is the threshold of the next, so that about 16 k rows of a stage become candidates. The first looks at so
//            few tiles that all their rows have room.
//   finish   the k-th best of the candidates of the last stage decides; the answer is sorted
//
// Scores are exact everywhere, so a threshold never costs an answer. A query with more candidates than room is scanned
// again with the threshold that they prove. If that is not enough, or if the query asks for very many rows, it is
// scanned with room for all of them.

namespace cairn::gpu::cuda {
namespace {

/// Room for candidates: four times what a stage is expected to find.
constexpr std::uint32_t kStageRatio = 16;
constexpr std::uint32_t kCandidatesPerAnswer = 4 * kStageRatio;
constexpr std::uint32_t kCandidatesMin = 8192;
/// Candidates of all queries of a pass together; what memory a workspace takes follows from it.
constexpr std::size_t kCandidatesOfPass = std::size_t{4} << 20;
/// Queries for more rows than this have room for all.
constexpr std::size_t kAnswersMax = 4096;
constexpr std::uint32_t kRimMax = 4096;   // rows of a rim, unless there is room for all
constexpr std::uint32_t kRimShown = 256;  // of these come back with the answers
constexpr std::size_t kSharedQueryBytes = 32 << 10;
/// Arrays up to this go to the device in one copy with the queries.
constexpr std::size_t kPackedBytes = 64 << 10;
constexpr std::size_t kWordBytesMax = std::size_t{256} << 20;

/// A query of the batch, and the threshold that it is known to have.
struct Asked {
  std::size_t query = 0;
  float threshold = 0.0F;
};

enum class Room : std::uint8_t { kSome, kAll };

/// What is to be sent to the device: small arrays together, large ones from where they are. Each array once.
class Shipment {
 public:
  struct Place {
    bool there = false;
    bool packed = true;
    std::size_t at = 0;
  };

  /// Room for an array that is filled by and by, at host().
  template <class T>
  Place make_room(std::size_t count) {
    const Place place{true, true, packed_};
    packed_ += aligned(std::max<std::size_t>(count, 1) * sizeof(T));
    return place;
  }

  /// An array that is there. One that is empty has a place too, which nobody reads.
  template <class T>
  Place add(std::span<const T> values) {
    const auto [known, fresh] = known_.try_emplace({values.data(), values.size_bytes()});
    if (!fresh) return known->second;
    Place& place = known->second;
    place = {true, values.size_bytes() <= kPackedBytes, 0};
    std::size_t& size = place.packed ? packed_ : direct_;
    place.at = size;
    size += aligned(std::max<std::size_t>(values.size_bytes(), 1));
    if (!values.empty()) copies_.push_back({place, values.data(), values.size_bytes()});
    return place;
  }

  /// Makes room in the workspace. Returns: RESOURCE_EXHAUSTED.
  [[nodiscard]] Status reserve(Workspace& workspace) {
    CAIRN_RETURN_IF_ERROR(workspace.host_input.reserve(packed_));
    CAIRN_RETURN_IF_ERROR(workspace.input.reserve(packed_));
    CAIRN_RETURN_IF_ERROR(workspace.filter_data.reserve(direct_));
    workspace_ = &workspace;
    return ok_status();
  }

  template <class T>
  [[nodiscard]] T* host(Place place) const {
    return reinterpret_cast<T*>(workspace_->host_input.data() + place.at);
  }
  /// Null for a place that is not there.
  template <class T>
  [[nodiscard]] T* device(Place place) const {
    if (!place.there) return nullptr;
    unsigned char* base = place.packed ? workspace_->input.data() : workspace_->filter_data.data();
    return reinterpret_cast<T*>(base + place.at);
  }

  void send() const {
    for (const Copy& copy : copies_) {
      if (copy.place.packed) {
        std::memcpy(host<unsigned char>(copy.place), copy.from, copy.bytes);
      } else {
        workspace_->stream.copy_to_device(device<unsigned char>(copy.place), copy.from, copy.bytes);
      }
    }
    workspace_->stream.copy_to_device(workspace_->input.data(), workspace_->host_input.data(), packed_);
  }

  [[nodiscard]] static std::size_t aligned(std::size_t bytes) { return (bytes + 15) / 16 * 16; }

 private:
  struct Copy {
    Place place;
    const void* from;
    std::size_t bytes;
  };

  std::size_t packed_ = 0;
  std::size_t direct_ = 0;
  std::map<std::pair<const void*, std::size_t>, Place> known_;
  std::vector<Copy> copies_;
  Workspace* workspace_ = nullptr;
};

/// The tiles that some queries' ranges touch.
struct Work {
  bool restricted = false;  ///< false: all tiles, and no runs
  std::vector<TileRun> runs = {};
  std::uint32_t tiles = 0;
};

Work work_of(std::uint32_t tiles, std::span<const ScanQuery> queries, std::span<const Asked> asked) {
  Work work;
  work.restricted =
      std::all_of(asked.begin(), asked.end(), [&](const Asked& one) { return queries[one.query].ranges.has_value(); });
  if (!work.restricted) {
    work.tiles = tiles;
    return work;
  }
  std::vector<RowRange> touched;
  for (const Asked& one : asked) {
    for (const RowRange& range : *queries[one.query].ranges) {
      if (range.begin < range.end) touched.push_back({range.begin / kTileRows, (range.end - 1) / kTileRows + 1});
    }
  }
  std::sort(touched.begin(), touched.end(), [](const RowRange& a, const RowRange& b) { return a.begin < b.begin; });
  std::uint32_t covered = 0;
  for (const RowRange& range : touched) {
    const std::uint32_t begin = std::max(range.begin, covered);
    if (begin >= range.end) continue;
    work.runs.push_back({work.tiles, begin});
    work.tiles += range.end - begin;
    covered = range.end;
  }
  return work;
}

std::uint32_t rounded_up(std::size_t value, std::uint32_t to) {
  return static_cast<std::uint32_t>((value + to - 1) / to * to);
}

/// Some queries of a batch, answered by one pass.
class ScanPass {
 public:
  /// What a pass could not answer, and how it is to be asked again.
  struct Again {
    std::vector<Asked> with_threshold = {};
    std::vector<Asked> with_all_room = {};
  };

  ScanPass(const CudaScanTable& table, Workspace& workspace, std::span<const ScanQuery> queries,
           std::span<const Asked> asked, Room room, bool sampled)
      : table_(table), workspace_(workspace), queries_(queries), asked_(asked), room_(room), sampled_(sampled) {}

  /// Returns: RESOURCE_EXHAUSTED, and errors of the device.
  [[nodiscard]] Status run(std::span<ScanAnswer> answers, Again* again) {
    work_ = work_of(table_.args().tiles, queries_, asked_);
    if (work_.tiles == 0) return ok_status();  // answers are empty already
    CAIRN_RETURN_IF_ERROR(arrange().with_context("memory for a scan with " + std::to_string(asked_.size()) +
                                                 " queries over " + std::to_string(table_.rows()) + " rows"));
    fill();
    launch();
    CAIRN_RETURN_IF_ERROR(workspace_.stream.wait());
    return collect(answers, again);
  }

 private:
  struct SlotPlaces {
    Shipment::Place tag_table, logs_table, ranges, allowed, excluded, added_rows, added;
  };
  struct OutputPlaces {
    std::size_t results = 0, rows = 0, scores = 0, rim = 0, size = 0;
  };

  [[nodiscard]] const ScanQuery& query(std::size_t slot) const { return queries_[asked_[slot].query]; }
  [[nodiscard]] std::size_t slots() const { return asked_.size(); }

  [[nodiscard]] Status arrange() {
    list_arrays();
    CAIRN_RETURN_IF_ERROR(shipment_.reserve(workspace_));
    size_pass();
    const std::size_t stride = pass_.slot_stride;
    if (filtered_) CAIRN_RETURN_IF_ERROR(workspace_.scan_words.reserve(work_.tiles * stride));
    pass_.words = filtered_ ? workspace_.scan_words.data() : nullptr;
    CAIRN_RETURN_IF_ERROR(workspace_.slot_state.reserve((3 * slots() + listed_) * sizeof(std::uint32_t)));
    pass_.counts = reinterpret_cast<std::uint32_t*>(workspace_.slot_state.data());
    pass_.rim_counts = pass_.counts + slots();
    pass_.passed = pass_.rim_counts + slots();
    pass_.listed_scores = reinterpret_cast<float*>(pass_.passed + slots());
    const std::size_t candidates = slots() * pass_.capacity;
    CAIRN_RETURN_IF_ERROR(
        workspace_.candidates.reserve((2 * candidates + slots() * pass_.rim_capacity) * sizeof(std::uint32_t)));
    pass_.candidate_rows = reinterpret_cast<std::uint32_t*>(workspace_.candidates.data());
    pass_.candidate_scores = reinterpret_cast<float*>(pass_.candidate_rows + candidates);
    pass_.rim_rows = reinterpret_cast<std::uint32_t*>(pass_.candidate_scores + candidates);
    out_ = output_places();
    CAIRN_RETURN_IF_ERROR(workspace_.output.reserve(out_.size));
    CAIRN_RETURN_IF_ERROR(workspace_.host_output.reserve(out_.size));
    unsigned char* output = workspace_.output.data();
    pass_.results = reinterpret_cast<ScanSlotResult*>(output + out_.results);
    pass_.result_rows = reinterpret_cast<std::uint32_t*>(output + out_.rows);
    pass_.result_scores = reinterpret_cast<float*>(output + out_.scores);
    pass_.result_rim = reinterpret_cast<std::uint32_t*>(output + out_.rim);
    return ok_status();
  }

  /// Gives every array that the device reads a place.
  void list_arrays() {
    const ScanTableArgs& table = table_.args();
    slots_at_ = shipment_.make_room<ScanSlot>(slots());
    lists_at_ = shipment_.make_room<ScanLists>(slots());
    thresholds_at_ = shipment_.make_room<float>(slots());
    if (work_.restricted) runs_at_ = shipment_.add(std::span<const TileRun>(work_.runs));
    pass_.slot_stride = rounded_up(slots(), kScanGroupSlots);
    const std::size_t groups = pass_.slot_stride / kScanGroupSlots;
    code_bytes_ = groups * table.steps * kScanGroupPairs * kQueryPairBytes;
    if (table.vectors == ScanVectors::kInt8) codes_at_ = shipment_.make_room<unsigned char>(code_bytes_);
    if (table.vectors == ScanVectors::kFp32) {
      values_at_ = shipment_.make_room<float>(std::size_t{table.dim} * pass_.slot_stride);
    }
    for (std::size_t slot = 0; slot < slots(); ++slot) places_.push_back(list_arrays_of(query(slot)));
  }

  SlotPlaces list_arrays_of(const ScanQuery& query) {
    SlotPlaces places;
    if (!query.tag_table.empty()) places.tag_table = shipment_.add(query.tag_table);
    if (terms_of(query).has_logs) places.logs_table = shipment_.add(query.logs_table);
    if (query.ranges) places.ranges = shipment_.add(*query.ranges);
    if (query.allowed) places.allowed = shipment_.add(*query.allowed);
    if (!query.excluded.empty()) places.excluded = shipment_.add(query.excluded);
    if (!query.added_rows.empty()) {
      places.added_rows = shipment_.add(query.added_rows);
      places.added = shipment_.add(query.added);
    }
    filtered_ = filtered_ || query.ranges || query.allowed || !query.excluded.empty() || !query.added_rows.empty();
    excluded_max_ = std::max(excluded_max_, query.excluded.size());
    added_max_ = std::max(added_max_, query.added_rows.size());
    listed_ += query.added_rows.size();
    return places;
  }

  void size_pass() {
    std::size_t k_max = 0;
    bool has_radius = false;
    for (std::size_t slot = 0; slot < slots(); ++slot) {
      k_max = std::max(k_max, query(slot).k);
      has_radius = has_radius || terms_of(query(slot)).has_radius;
    }
    const std::size_t rows = std::size_t{work_.tiles} * kTileRows;
    k_max = std::min(k_max, rows);
    const std::size_t some = std::max<std::size_t>(kCandidatesMin, k_max * kCandidatesPerAnswer);
    pass_.capacity = static_cast<std::uint32_t>(room_ == Room::kAll ? rows : std::min(some, rows));
    if (has_radius) {
      pass_.rim_capacity =
          static_cast<std::uint32_t>(room_ == Room::kAll ? rows : std::min<std::size_t>(kRimMax, rows));
    }
    pass_.rim_stride = std::min(pass_.rim_capacity, kRimShown);
    // A little more than k, for equal scores and those within the slack.
    pass_.result_stride = static_cast<std::uint32_t>(std::min<std::size_t>(kScanSortMax, k_max + k_max / 2 + 64));
    pass_.slot_count = static_cast<std::uint32_t>(slots());
    pass_.work_tiles = work_.tiles;
    pass_.run_count = static_cast<std::uint32_t>(work_.runs.size());
  }

  [[nodiscard]] OutputPlaces output_places() const {
    OutputPlaces places;
    const auto add = [&](std::size_t bytes) {
      return std::exchange(places.size, places.size + Shipment::aligned(bytes));
    };
    places.results = add(slots() * sizeof(ScanSlotResult));
    places.rows = add(slots() * pass_.result_stride * sizeof(std::uint32_t));
    places.scores = add(slots() * pass_.result_stride * sizeof(float));
    places.rim = add(slots() * pass_.rim_stride * sizeof(std::uint32_t));
    return places;
  }

  /// Writes what the device reads.
  void fill() {
    pass_.slots = shipment_.device<const ScanSlot>(slots_at_);
    pass_.lists = shipment_.device<const ScanLists>(lists_at_);
    pass_.thresholds = shipment_.device<float>(thresholds_at_);
    pass_.runs = shipment_.device<const TileRun>(runs_at_);
    pass_.query_codes = shipment_.device<const unsigned char>(codes_at_);
    pass_.query_values = shipment_.device<const float>(values_at_);
    const bool copied = table_.args().vectors == ScanVectors::kInt8 && code_bytes_ <= kSharedQueryBytes;
    pass_.shared_query_bytes = copied ? static_cast<std::uint32_t>(code_bytes_) : 0;
    if (codes_at_.there) std::memset(shipment_.host<unsigned char>(codes_at_), 0, code_bytes_);
    if (values_at_.there) {
      std::fill_n(shipment_.host<float>(values_at_), std::size_t{table_.args().dim} * pass_.slot_stride, 0.0F);
    }
    std::uint32_t listed = 0;
    for (std::size_t slot = 0; slot < slots(); ++slot) {
      shipment_.host<ScanSlot>(slots_at_)[slot] = slot_args(slot);
      shipment_.host<ScanLists>(lists_at_)[slot] = list_args(slot, listed);
      shipment_.host<float>(thresholds_at_)[slot] = asked_[slot].threshold;
      listed += static_cast<std::uint32_t>(query(slot).added_rows.size());
    }
  }

  [[nodiscard]] ScanSlot slot_args(std::size_t slot) const {
    const ScanQuery& asked = query(slot);
    const ScanTerms terms = terms_of(asked);
    const auto values = [](const ScanColumn* column) {
      return column == nullptr ? nullptr : static_cast<const CudaScanColumn*>(column)->values();
    };
    ScanSlot args;
    args.prior = values(asked.prior);
    args.logs = terms.has_logs ? values(asked.logs) : nullptr;
    args.tag_table = shipment_.device<const float>(places_[slot].tag_table);
    args.logs_table = shipment_.device<const float>(places_[slot].logs_table);
    args.x = asked.position.x;
    args.y = asked.position.y;
    args.z = asked.position.z;
    args.logs_weight = asked.logs_weight;
    args.log_terms = static_cast<std::uint32_t>(terms.log_terms);
    std::copy_n(terms.log_per_unit, 2, args.log_per_unit);
    std::copy_n(terms.log_weight, 2, args.log_weight);
    args.has_exp = terms.has_exp ? 1 : 0;
    args.exp_per_unit = terms.exp_per_unit;
    args.exp_weight = terms.exp_weight;
    args.exp_units_max = terms.exp_units_max;
    args.needs_distance = terms.needs_distance ? 1 : 0;
    args.has_radius = terms.has_radius ? 1 : 0;
    args.radius = terms.radius;
    args.rim_end = terms.rim_end;
    args.has_vector = terms.has_vector ? 1 : 0;
    if (terms.has_vector) args.dot_weight = asked.vector_weight * write_vector(slot, asked.vector);
    return args;
  }

  /// Puts a query's vector where the kernels read it. Returns: the scale of its codes, or 1.
  float write_vector(std::size_t slot, std::span<const float> vector) const {
    if (values_at_.there) {
      float* to = shipment_.host<float>(values_at_) + slot;
      for (std::size_t j = 0; j < vector.size(); ++j) to[j * pass_.slot_stride] = vector[j];
      return 1.0F;
    }
    std::vector<std::int8_t> codes(vector.size());
    const float scale = quantize_group(vector, {}, kInt8CodeMax, codes).scale;
    const std::size_t group = std::size_t{table_.args().steps} * kScanGroupPairs * kQueryPairBytes;
    unsigned char* to = shipment_.host<unsigned char>(codes_at_) + slot / kScanGroupSlots * group;
    for (std::uint32_t j = 0; j < codes.size(); ++j) {
      const auto in_group = static_cast<std::uint32_t>(slot % kScanGroupSlots);
      to[query_offset(kScanGroupPairs, in_group, {j / kStepBytes, j % kStepBytes})] =
          static_cast<unsigned char>(codes[j]);
    }
    return scale;
  }

  [[nodiscard]] ScanLists list_args(std::size_t slot, std::uint32_t listed_begin) const {
    const ScanQuery& asked = query(slot);
    const SlotPlaces& places = places_[slot];
    ScanLists args;
    args.ranges = shipment_.device<const RowRange>(places.ranges);
    args.allowed = shipment_.device<const std::uint64_t>(places.allowed);
    args.excluded = shipment_.device<const std::uint32_t>(places.excluded);
    args.added_rows = shipment_.device<const std::uint32_t>(places.added_rows);
    args.added = shipment_.device<const float>(places.added);
    args.range_count = asked.ranges ? static_cast<std::uint32_t>(asked.ranges->size()) : 0;
    args.excluded_count = static_cast<std::uint32_t>(asked.excluded.size());
    args.added_count = static_cast<std::uint32_t>(asked.added_rows.size());
    args.listed_begin = listed_begin;
    args.k = static_cast<std::uint32_t>(std::min<std::size_t>(asked.k, std::numeric_limits<std::uint32_t>::max()));
    args.slack = asked.slack;
    return args;
  }

  void launch() {
    Stream& stream = workspace_.stream;
    const ScanTableArgs& table = table_.args();
    shipment_.send();
    stream.zero(pass_.counts, 3 * slots() * sizeof(std::uint32_t));
    launch_scan_lists(stream, table, pass_, static_cast<std::uint32_t>(excluded_max_),
                      static_cast<std::uint32_t>(added_max_));
    std::uint32_t stride = 1;
    while (sampled_ && work_.tiles / stride > pass_.capacity / kTileRows) stride *= kStageRatio;
    for (; stride > 0; stride /= kStageRatio) {
      launch_scan_begin(stream, pass_, stride == 1);
      launch_fused_scan(stream, table_.context().traits(), table, pass_,
                        {.items = ceil_divide(work_.tiles, stride), .stride = stride, .last = stride == 1 ? 1U : 0U});
    }
    launch_scan_finish(stream, pass_);
    stream.copy_from_device(workspace_.host_output.data(), workspace_.output.data(), out_.size);
  }

  [[nodiscard]] Status collect(std::span<ScanAnswer> answers, Again* again) const {
    const unsigned char* output = workspace_.host_output.data();
    for (std::size_t slot = 0; slot < slots(); ++slot) {
      ScanSlotResult result;
      std::memcpy(&result, output + out_.results + slot * sizeof(result), sizeof(result));
      Asked asked = asked_[slot];
      if (result.rim > pass_.rim_capacity) {
        again->with_all_room.push_back(asked);
        continue;
      }
      if (result.found > pass_.capacity) {
        // A threshold that does not rise finds the same rows again.
        const bool rises = result.least > asked.threshold && sampled_;
        asked.threshold = std::max(asked.threshold, result.least);
        (rises ? again->with_threshold : again->with_all_room).push_back(asked);
        continue;
      }
      ScanAnswer& answer = answers[asked.query];
      answer.passed = result.passed;
      CAIRN_RETURN_IF_ERROR(read_rows(slot, result, &answer));
      CAIRN_RETURN_IF_ERROR(read_rim(slot, result, &answer));
    }
    return ok_status();
  }

  [[nodiscard]] Status read_rows(std::size_t slot, const ScanSlotResult& result, ScanAnswer* answer) const {
    if (result.answered > pass_.result_stride) return read_candidates(slot, result, answer);
    const unsigned char* output = workspace_.host_output.data();
    const auto* rows = reinterpret_cast<const std::uint32_t*>(output + out_.rows) + slot * pass_.result_stride;
    const auto* scores = reinterpret_cast<const float*>(output + out_.scores) + slot * pass_.result_stride;
    answer->rows.assign(rows, rows + result.answered);
    answer->scores.assign(scores, scores + result.answered);
    return ok_status();
  }

  /// An answer that is longer than the device sorts.
  [[nodiscard]] Status read_candidates(std::size_t slot, const ScanSlotResult& result, ScanAnswer* answer) const {
    std::vector<std::uint32_t> rows(result.found);
    std::vector<float> scores(result.found);
    const std::size_t first = slot * pass_.capacity;
    CAIRN_RETURN_IF_ERROR(
        copy_from_device(rows.data(), pass_.candidate_rows + first, rows.size() * sizeof(std::uint32_t)));
    CAIRN_RETURN_IF_ERROR(
        copy_from_device(scores.data(), pass_.candidate_scores + first, scores.size() * sizeof(float)));
    std::vector<std::pair<std::uint64_t, float>> order;
    order.reserve(result.answered);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (scores[i] >= result.least) order.emplace_back(key_of(scores[i], rows[i]), scores[i]);
    }
    // No two keys are equal, as each holds its row.
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    answer->rows.resize(order.size());
    answer->scores.resize(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      answer->rows[i] = row_of(order[i].first);
      answer->scores[i] = order[i].second;  // keys do not keep the sign of a zero
    }
    return ok_status();
  }

  [[nodiscard]] Status read_rim(std::size_t slot, const ScanSlotResult& result, ScanAnswer* answer) const {
    if (result.rim == 0) return ok_status();
    answer->rim.resize(result.rim);
    if (result.rim <= pass_.rim_stride) {
      const auto* shown = reinterpret_cast<const std::uint32_t*>(workspace_.host_output.data() + out_.rim);
      std::copy_n(shown + slot * pass_.rim_stride, result.rim, answer->rim.begin());
    } else {
      CAIRN_RETURN_IF_ERROR(copy_from_device(answer->rim.data(), pass_.rim_rows + slot * pass_.rim_capacity,
                                             answer->rim.size() * sizeof(std::uint32_t)));
    }
    std::sort(answer->rim.begin(), answer->rim.end());
    return ok_status();
  }

  const CudaScanTable& table_;
  Workspace& workspace_;
  std::span<const ScanQuery> queries_;
  std::span<const Asked> asked_;
  Room room_;
  bool sampled_;

  Work work_;
  Shipment shipment_;
  ScanPassArgs pass_;
  OutputPlaces out_;
  std::vector<SlotPlaces> places_;
  Shipment::Place slots_at_, lists_at_, thresholds_at_, runs_at_, codes_at_, values_at_;
  std::size_t code_bytes_ = 0;
  bool filtered_ = false;
  std::size_t excluded_max_ = 0;
  std::size_t added_max_ = 0;
  std::size_t listed_ = 0;  ///< rows that are added to, of all slots
};

/// The queries of a batch that are to be scanned in the same way, in as many passes as it takes.
class ScanBatch {
 public:
  ScanBatch(const CudaScanTable& table, Workspace& workspace, std::span<const ScanQuery> queries,
            std::span<ScanAnswer> answers)
      : table_(table), workspace_(workspace), queries_(queries), answers_(answers) {}

  [[nodiscard]] Status run(std::span<const Asked> asked, Room room, bool sampled, ScanPass::Again* again) const {
    std::size_t slots = slots_max(asked, room);
    while (!asked.empty()) {
      const auto now = asked.first(std::min(slots, asked.size()));
      ScanPass::Again pass_again;
      Status status = ScanPass(table_, workspace_, queries_, now, room, sampled).run(answers_, &pass_again);
      if (status.code() == StatusCode::kResourceExhausted && now.size() > 1) {
        slots = now.size() / 2;  // fewer queries at once need less memory
        continue;
      }
      CAIRN_RETURN_IF_ERROR(std::move(status));
      append(pass_again.with_threshold, &again->with_threshold);
      append(pass_again.with_all_room, &again->with_all_room);
      asked = asked.subspan(now.size());
    }
    return ok_status();
  }

 private:
  static void append(std::span<const Asked> from, std::vector<Asked>* to) {
    to->insert(to->end(), from.begin(), from.end());
  }

  [[nodiscard]] std::size_t slots_max(std::span<const Asked> asked, Room room) const {
    std::size_t k_max = 0;
    for (const Asked& one : asked) k_max = std::max(k_max, queries_[one.query].k);
    const std::size_t tiles = table_.args().tiles;
    const std::size_t some = std::max<std::size_t>(kCandidatesMin, std::min(k_max, kAnswersMax) * kCandidatesPerAnswer);
    const std::size_t capacity = room == Room::kAll ? tiles * kTileRows : some;
    const std::size_t by_candidates = std::max<std::size_t>(1, kCandidatesOfPass / capacity);
    // A word a tile and query; groups of 32 queries share lines of them.
    const std::size_t by_words = tiles * kScanSlotsMax * sizeof(std::uint32_t) <= kWordBytesMax ? kScanSlotsMax : 32;
    return std::min(by_candidates, by_words);
  }

  const CudaScanTable& table_;
  Workspace& workspace_;
  std::span<const ScanQuery> queries_;
  std::span<ScanAnswer> answers_;
};

}  // namespace

Status answer_scan(const CudaScanTable& table, std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) {
  std::vector<ScanAnswer> found(queries.size());
  if (table.rows() > 0 && !queries.empty()) {
    std::vector<Asked> some;
    ScanPass::Again again;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const ScanQuery& query = queries[i];
      // NaN: no row reaches the threshold.
      const float threshold = query.k == 0 ? std::numeric_limits<float>::quiet_NaN() : -kInfinity;
      const bool many = query.k > kAnswersMax || (query.k > 0 && !std::isfinite(query.slack));
      (many ? again.with_all_room : some).push_back({i, threshold});
    }
    CAIRN_ASSIGN_OR_RETURN(WorkspaceLease workspace, WorkspaceLease::take(table.context()));
    const ScanBatch batch(table, *workspace, queries, found);
    CAIRN_RETURN_IF_ERROR(batch.run(some, Room::kSome, true, &again));
    const std::vector<Asked> raised = std::exchange(again.with_threshold, {});
    CAIRN_RETURN_IF_ERROR(batch.run(raised, Room::kSome, false, &again));
    const std::vector<Asked> all = std::exchange(again.with_all_room, {});
    CAIRN_RETURN_IF_ERROR(batch.run(all, Room::kAll, false, &again));
  }
  *answers = std::move(found);
  return ok_status();
}

}  // namespace cairn::gpu::cuda
