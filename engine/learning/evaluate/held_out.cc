#include "engine/learning/evaluate/held_out.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "engine/model/item_ids.h"
#include "engine/model/item_ranker.h"

namespace cairn::learning {
namespace {

constexpr std::size_t kDeepest = 100;
constexpr std::size_t kUsersPerCall = 4'096;

/// Users of the test with their histories and what is to be found, all in rows of the model.
struct Questions {
  std::vector<std::uint64_t> history_offsets = {0};
  std::vector<std::uint32_t> history = {};
  std::vector<float> history_values = {};  ///< empty: all 1
  std::vector<std::uint64_t> relevant_offsets = {0};
  std::vector<std::uint32_t> relevant = {};
  std::vector<std::size_t> relevant_totals = {};

  [[nodiscard]] std::size_t users() const noexcept { return relevant_totals.size(); }
  [[nodiscard]] std::span<const std::uint32_t> history_of(std::size_t user) const {
    return std::span(history).subspan(history_offsets[user], history_offsets[user + 1] - history_offsets[user]);
  }
  [[nodiscard]] std::span<const std::uint32_t> relevant_of(std::size_t user) const {
    return std::span(relevant).subspan(relevant_offsets[user], relevant_offsets[user + 1] - relevant_offsets[user]);
  }
};

void append_history(const Interactions& train, std::size_t user, const std::vector<std::uint32_t>& rows,
                    Questions* questions) {
  // The model's rows may be in another order than the file's.
  std::vector<std::pair<std::uint32_t, float>> known;
  for (std::uint64_t entry = train.offsets[user]; entry < train.offsets[user + 1]; ++entry) {
    const std::uint32_t row = rows[train.columns[entry]];
    if (row != gpu::kNoRow) known.emplace_back(row, train.view().value(entry));
  }
  std::sort(known.begin(), known.end());
  for (const auto& [row, value] : known) {
    questions->history.push_back(row);
    if (!train.values.empty()) questions->history_values.push_back(value);
  }
}

Questions ask(const model::Model& model, const Interactions& train, const Interactions& test) {
  const model::IdIndex model_items(model.items);
  const model::IdIndex train_users(train.users);
  const std::vector<std::uint32_t> train_rows = model_items.find_all(train.items);
  const std::vector<std::uint32_t> test_rows = model_items.find_all(test.items);
  Questions questions;
  for (std::size_t user = 0; user < test.users.size(); ++user) {
    const std::span<const std::uint32_t> items = test.view().columns_of(user);
    if (items.empty()) continue;
    questions.relevant_totals.push_back(items.size());
    const std::size_t begin = questions.relevant.size();
    for (const std::uint32_t item : items) {
      if (test_rows[item] != gpu::kNoRow) questions.relevant.push_back(test_rows[item]);
    }
    std::sort(questions.relevant.begin() + static_cast<std::ptrdiff_t>(begin), questions.relevant.end());
    questions.relevant_offsets.push_back(questions.relevant.size());
    const std::uint32_t known = train_users.find(test.users[user]);
    if (known != gpu::kNoRow) append_history(train, known, train_rows, &questions);
    questions.history_offsets.push_back(questions.history.size());
  }
  return questions;
}

/// Sums, in the order of users.
class Tally {
 public:
  void add(const HeldOutMetrics& one) {
    sum_.recall_at_20 += one.recall_at_20;
    sum_.recall_at_50 += one.recall_at_50;
    sum_.ndcg_at_20 += one.ndcg_at_20;
    sum_.ndcg_at_100 += one.ndcg_at_100;
  }
  [[nodiscard]] HeldOutMetrics mean(std::size_t users) const {
    const auto count = static_cast<double>(users);
    return {sum_.recall_at_20 / count, sum_.recall_at_50 / count, sum_.ndcg_at_20 / count, sum_.ndcg_at_100 / count};
  }

 private:
  HeldOutMetrics sum_;
};

/// Ranks for the users [first, first + count).
Status answer(const model::ItemRanker& ranker, const Questions& questions, std::size_t items, std::size_t first,
              std::size_t count, gpu::TopKAnswers* answers) {
  std::vector<std::uint64_t> offsets;
  std::vector<gpu::RowFilter> filters;
  const std::uint64_t begin = questions.history_offsets[first];
  for (std::size_t user = first; user <= first + count; ++user) {
    offsets.push_back(questions.history_offsets[user] - begin);
    if (user < first + count) filters.push_back({.excluded = questions.history_of(user)});
  }
  const gpu::SparseView histories{.offsets = offsets,
                                  .columns = std::span(questions.history).subspan(begin, offsets.back()),
                                  .values = questions.history_values.empty()
                                                ? std::span<const float>()
                                                : std::span(questions.history_values).subspan(begin, offsets.back()),
                                  .width = items};
  return ranker.rank(histories, kDeepest, filters, answers);
}

}  // namespace

HeldOutMetrics held_out_metrics(std::span<const std::uint32_t> ranked, std::span<const std::uint32_t> relevant,
                                std::size_t relevant_total) {
  struct Depth {
    std::size_t k;
    double recall = 0.0;
    double ndcg = 0.0;
  };
  std::array<Depth, 3> depths = {Depth{20}, Depth{50}, Depth{kDeepest}};
  for (Depth& depth : depths) {
    std::size_t hits = 0;
    double gain = 0.0;
    double ideal = 0.0;
    for (std::size_t i = 0; i < depth.k; ++i) {
      const double discounted = 1.0 / std::log2(static_cast<double>(i) + 2.0);
      if (i < relevant_total) ideal += discounted;
      if (i >= ranked.size() || !std::binary_search(relevant.begin(), relevant.end(), ranked[i])) continue;
      ++hits;
      gain += discounted;
    }
    depth.recall = static_cast<double>(hits) / static_cast<double>(relevant_total);
    depth.ndcg = gain / ideal;
  }
  return {depths[0].recall, depths[1].recall, depths[0].ndcg, depths[2].ndcg};
}

Result<HeldOutReport> measure_held_out(const model::Model& model, const Interactions& train, const Interactions& test,
                                       const HeldOutOptions& options) {
  const Questions questions = ask(model, train, test);
  if (questions.users() == 0) return invalid_argument("no user has items in the test");
  CAIRN_ASSIGN_OR_RETURN(const auto processors, gpu::make_cpu_backend({.threads = options.threads}));
  gpu::Backend& backend = options.backend ? *options.backend : *processors;
  CAIRN_ASSIGN_OR_RETURN(const auto ranker, model::ItemRanker::create(model, backend, {.threads = options.threads}));
  HeldOutReport report{.users = questions.users()};
  Tally tally;
  gpu::TopKAnswers answers;
  for (std::size_t first = 0; first < questions.users(); first += kUsersPerCall) {
    const std::size_t count = std::min(kUsersPerCall, questions.users() - first);
    CAIRN_RETURN_IF_ERROR(answer(*ranker, questions, model.items.size(), first, count, &answers));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t user = first + i;
      tally.add(held_out_metrics(answers.rows_of(i), questions.relevant_of(user), questions.relevant_totals[user]));
      report.cold_users += questions.history_of(user).empty();
      report.test_pairs += questions.relevant_totals[user];
    }
    if (options.progress) options.progress(first + count, questions.users());
  }
  report.unknown_pairs = report.test_pairs - questions.relevant.size();
  report.metrics = tally.mean(questions.users());
  return report;
}

}  // namespace cairn::learning
