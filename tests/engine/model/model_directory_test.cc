#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "engine/model/model.h"
#include "engine/model/safetensors.h"
#include "engine/model/vector_storage.h"
#include "tests/engine/model/made_up.h"
#include "tests/support/temporary_folder.h"

using namespace cairn;
using namespace cairn::model;
using namespace cairn::model_test;
using cairn::test::TemporaryFolder;

namespace {

void check_equal(const Component& a, const Component& b) {
  CHECK(a.name == b.name);
  CHECK(a.kind == b.kind);
  CHECK(a.weight == b.weight);
  CHECK(a.normalization == b.normalization);
  CHECK(a.degree_exponent == b.degree_exponent);
  CHECK(a.history_weight == b.history_weight);
  CHECK(a.item_scale == b.item_scale);
  CHECK(a.dim == b.dim);
  CHECK(a.item_vectors == b.item_vectors);
  CHECK(a.history_vectors == b.history_vectors);
  CHECK(a.precision == b.precision);
  CHECK(a.fold_in.target == b.fold_in.target);
  CHECK(a.fold_in.unobserved_weight == b.fold_in.unobserved_weight);
  CHECK(a.fold_in.regularization == b.fold_in.regularization);
  CHECK(a.fold_in.frequency_exponent == b.fold_in.frequency_exponent);
  CHECK(std::ranges::equal(a.weights.offsets(), b.weights.offsets()));
  CHECK(std::ranges::equal(a.weights.columns(), b.weights.columns()));
  CHECK(std::ranges::equal(a.weights.values(), b.weights.values()));
}

Model load(const std::string& folder) {
  auto loaded = load_model(folder);
  REQUIRE_MESSAGE(loaded.ok(), loaded.status().to_string());
  return *std::move(loaded);
}

void save(const Model& model, const std::string& folder) {
  const Status saved = save_model(model, folder);
  REQUIRE_MESSAGE(saved.ok(), saved.to_string());
}

std::size_t files_in(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// A model.toml that somebody wrote by hand, and a file for it.
struct ByHand {
  TemporaryFolder scratch;
  void write(const std::string& toml) const { scratch.write("model.toml", toml); }
  void write_tensors(std::vector<TensorView> tensors) const {
    REQUIRE(write_safetensors(scratch / "m.safetensors", std::move(tensors)).ok());
  }
};

Model model_with_segments(std::size_t items, std::size_t dim, std::size_t segments) {
  Model made = model_of_all_kinds(items, dim, 1);
  made.components = {made.components[2]};
  for (std::size_t s = 0; s < segments; ++s) made.segments.users.push_back(100 - s);
  made.segments.vectors = normal_matrix(segments, dim, 2);
  for (std::size_t i = 0; i < items * segments; ++i) made.segments.item_users.push_back(static_cast<std::uint32_t>(i));
  return made;
}

constexpr char kMinimal[] =
    "format = 1\n[items]\nfile = \"m.safetensors\"\n[[component]]\nkind = \"embedding\"\nfile = \"m.safetensors\"\n";
const std::vector<std::int64_t> kIds = {30, 10, 20};
const std::vector<float> kVectors = {1, 0, 0, 1, 1, 1};

void check_fault(const ByHand& folder, StatusCode code, const std::string& part) {
  const auto loaded = load_model(folder.scratch.path());
  REQUIRE(!loaded.ok());
  INFO(loaded.status().to_string());
  CHECK(loaded.status().code() == code);
  CHECK(loaded.status().message().find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a model of every kind is read back as it was written") {
  const TemporaryFolder scratch;
  const Model written = model_of_all_kinds(11, 5, 1);
  save(written, scratch / "deep/er/model");
  const Model read = load(scratch / "deep/er/model");
  CHECK(read.kind == written.kind);
  CHECK(read.created_by == written.created_by);
  CHECK(read.parameters == written.parameters);
  CHECK(read.users == 3);
  CHECK(read.interactions == 5);
  CHECK(read.items == written.items);
  CHECK(read.popularity == written.popularity);
  REQUIRE(read.components.size() == written.components.size());
  for (std::size_t i = 0; i < read.components.size(); ++i) check_equal(read.components[i], written.components[i]);
}

TEST_CASE("segments are read back as they were written, and a directory without them has none") {
  const TemporaryFolder scratch;
  const Model written = model_with_segments(7, 3, 4);
  save(written, scratch / "m");
  const Model read = load(scratch / "m");
  CHECK(read.segments.vectors == written.segments.vectors);
  CHECK(read.segments.users == written.segments.users);
  CHECK(read.segments.item_users == written.segments.item_users);
  CHECK(files_in(scratch / "m") == 4);  // model.toml, items, the component's and this

  Model without = written;
  without.segments = {};
  save(without, scratch / "m");
  CHECK(load(scratch / "m").segments.count() == 0);
  CHECK(files_in(scratch / "m") == 3);
}

TEST_CASE("segments that do not fit the model are not saved, nor loaded") {
  const TemporaryFolder scratch;
  const Model good = model_with_segments(7, 3, 4);
  std::vector<Model> bad(7, good);
  bad[0].segments.vectors.pop_back();
  bad[1].segments.item_users.pop_back();
  bad[2].segments.users = {1, 2, 3, 4};
  bad[3].segments.vectors[0] = NAN;
  bad[4].components[0].normalization = Normalization::kMaximum;
  bad[5].components.push_back({.name = "popular", .kind = ComponentKind::kPopularity});
  bad[6].segments.users = {3, 2, 1, 0};
  for (const Model& one : bad) CHECK(save_model(one, scratch / "x").code() == StatusCode::kInvalidArgument);

  save(good, scratch / "m");
  const std::vector<float> vectors(2 * 3);
  const std::vector<std::uint64_t> users = {2, 1};
  const std::vector<std::uint32_t> item_users(6 * 2);  // of 7 items
  REQUIRE(write_safetensors(scratch / "m/segments-1.safetensors",
                            {tensor("vectors", {2, 3}, std::span(vectors)), tensor("users", {2}, std::span(users)),
                             tensor("item_users", {6, 2}, std::span(item_users))})
              .ok());
  const auto loaded = load_model(scratch / "m");
  CHECK(loaded.status().code() == StatusCode::kInvalidArgument);
  CHECK(loaded.status().message().find("'item_users' must be items x segments") != std::string::npos);
  std::filesystem::remove(scratch / "m/segments-1.safetensors");
  CHECK(load_model(scratch / "m").status().code() == StatusCode::kNotFound);
}

TEST_CASE("saving again replaces the model, keeps what is not its own, and leaves no files of the one before") {
  const TemporaryFolder scratch;
  const std::string folder = scratch / "m";
  save(model_of_all_kinds(11, 5, 1), folder);
  const std::size_t files = files_in(folder);
  scratch.write("m/notes.txt", "mine");
  const Model second = model_of_all_kinds(12, 4, 2);
  save(second, folder);
  CHECK(load(folder).items == second.items);
  CHECK(files_in(folder) == files + 1);
  CHECK(scratch.read("m/notes.txt") == "mine");
}

TEST_CASE("a save that cannot finish leaves the model that was there") {
  const TemporaryFolder scratch;
  const std::string folder = scratch / "m";
  const Model first = model_of_all_kinds(11, 5, 1);
  save(first, folder);
  // What stands in the way of the next generation's last file is a folder.
  std::filesystem::create_directories(folder + "/weights-2.safetensors");
  CHECK(!save_model(model_of_all_kinds(12, 4, 2), folder).ok());
  CHECK(load(folder).items == first.items);
  std::filesystem::remove(folder + "/weights-2.safetensors");
  save(model_of_all_kinds(12, 4, 2), folder);
  CHECK(load(folder).items.size() == 12);
}

TEST_CASE("vectors are read back within the error of their precision, and the same when written again") {
  const std::size_t rows = 50;
  const std::size_t dim = 37;
  const std::uint64_t seed = 5;
  const struct {
    gpu::Precision precision;
    double error;  ///< relative to the largest of a row
  } cases[] = {{gpu::Precision::kFp32, 0.0},
               {gpu::Precision::kFp16, 0x1p-11},
               {gpu::Precision::kInt8, 0.5 / 127 * 1.001},
               {gpu::Precision::kInt4, 1.0 / 7}};  // rounding, or clipping where that is better on the whole
  for (const auto& [precision, error] : cases) {
    INFO(to_string(precision), ", seed ", seed);
    const TemporaryFolder scratch;
    Model model{.kind = "x",
                .popularity = std::vector<float>(rows),
                .components = {{.name = "v",
                                .kind = ComponentKind::kEmbedding,
                                .dim = dim,
                                .item_vectors = normal_matrix(rows, dim, seed),
                                .precision = precision}}};
    for (std::size_t i = 0; i < rows; ++i) model.items.push_back(std::to_string(i));
    save(model, scratch / "m");
    Model read = load(scratch / "m");
    CHECK(read.components[0].precision == precision);
    const std::vector<float> values = read.components[0].item_vectors;
    REQUIRE(values.size() == rows * dim);
    for (std::size_t i = 0; i < rows; ++i) {
      float largest = 0.0F;
      for (std::size_t j = 0; j < dim; ++j) {
        largest = std::max(largest, std::abs(model.components[0].item_vectors[i * dim + j]));
      }
      for (std::size_t j = 0; j < dim; ++j) {
        const double off = std::abs(static_cast<double>(values[i * dim + j]) -
                                    static_cast<double>(model.components[0].item_vectors[i * dim + j]));
        CHECK(off <= error * static_cast<double>(largest));
      }
    }
    save(read, scratch / "m");
    const Model again = load(scratch / "m");
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(again.components[0].item_vectors[i] == doctest::Approx(values[i]).epsilon(1e-6));
    }
  }
}

TEST_CASE("a directory made by hand needs a few lines and one tensor of vectors") {
  const ByHand folder;
  folder.write(kMinimal);
  folder.write_tensors({tensor("ids", {3}, std::span(kIds)), tensor("item_vectors", {3, 2}, std::span(kVectors))});
  const Model model = load(folder.scratch.path());
  CHECK(model.items == std::vector<std::string>{"30", "10", "20"});
  CHECK(model.popularity == std::vector<float>{0, 0, 0});
  CHECK(model.components[0].dim == 2);
  CHECK(model.components[0].item_vectors == kVectors);
}

TEST_CASE("SciPy's index types make item weights") {
  const std::vector<std::int32_t> indptr = {0, 1, 1, 2};
  const std::vector<std::int32_t> indices = {2, 0};
  const std::vector<float> data = {0.5F, 0.25F};
  const ByHand folder;
  folder.write(
      "format = 1\n[items]\nfile = \"m.safetensors\"\n[[component]]\nkind = \"item_weights\"\n"
      "file = \"m.safetensors\"\n");
  folder.write_tensors({tensor("ids", {3}, std::span(kIds)), tensor("indptr", {4}, std::span(indptr)),
                        tensor("indices", {2}, std::span(indices)), tensor("data", {2}, std::span(data))});
  const Model model = load(folder.scratch.path());
  CHECK(model.components[0].weights.entries() == 2);
  CHECK(model.components[0].weights.columns()[0] == 2);
}

TEST_CASE("what is wrong with model.toml is named with its line") {
  const struct {
    const char* toml;
    StatusCode code;
    const char* part;
  } cases[] = {
      {"format = 1\nx = = 2\n", StatusCode::kInvalidArgument, "model.toml:2: "},
      {"", StatusCode::kInvalidArgument, "format = 1 is missing"},
      {"format = 2\n", StatusCode::kUnimplemented, "model.toml:1: format 2"},
      {"format = \"1\"\n", StatusCode::kInvalidArgument, "model.toml:1: "},
      {"format = 1\n", StatusCode::kInvalidArgument, "[items]"},
      {"format = 1\n[items]\nfile = \"../m.safetensors\"\n", StatusCode::kInvalidArgument, "model.toml:3: "},
      {"format = 1\n[items]\nfile = \"/etc/passwd\"\n", StatusCode::kInvalidArgument, "model.toml:3: "},
      {"format = 1\n[items]\ncount = 3\n", StatusCode::kInvalidArgument, "model.toml:2: file must name a file"},
      {"format = 1\n[items]\nfile = \"m\"\n", StatusCode::kInvalidArgument, "[[component]]"},
      {"format = 1\n[items]\nfile = \"m\"\n[[component]]\nfile = \"m\"\n", StatusCode::kInvalidArgument,
       "model.toml:4: a [[component]] needs its kind"},
      {"format = 1\n[items]\nfile = \"m\"\n[[component]]\nkind = \"magic\"\nfile = \"m\"\n",
       StatusCode::kInvalidArgument, "model.toml:5: kind 'magic' is not known"},
      {"format = 1\n[items]\nfile = \"m\"\n[[component]]\nkind = \"fold_in\"\nregularization = nan\nfile = \"m\"\n",
       StatusCode::kInvalidArgument, "model.toml:6: "},
      {"format = 1\n[items]\nfile = \"m\"\n[[component]]\nkind = \"embedding\"\nwieght = 2\nfile = \"m\"\n",
       StatusCode::kInvalidArgument, "model.toml:6: the key 'wieght'"},
      {"format = 1\ncolour = 1\n[items]\nfile = \"m\"\n[[component]]\nkind = \"popularity\"\nfile = \"m\"\n",
       StatusCode::kInvalidArgument, "model.toml:2: the key 'colour'"},
      {"format = 1\n[items]\nfile = \"absent\"\n[[component]]\nkind = \"popularity\"\nfile = \"absent\"\n",
       StatusCode::kNotFound, "absent"},
  };
  const ByHand folder;
  for (const auto& [toml, code, part] : cases) {
    INFO(toml);
    folder.write(toml);
    check_fault(folder, code, part);
  }
  const TemporaryFolder empty;
  CHECK(load_model(empty.path()).status().code() == StatusCode::kNotFound);
  CHECK(load_model(empty / "absent").status().code() == StatusCode::kNotFound);
}

TEST_CASE("what is wrong with tensors is named with file and tensor") {
  const ByHand folder;
  folder.write(kMinimal);
  const auto ids = tensor("ids", {3}, std::span(kIds));
  const auto vectors = tensor("item_vectors", {3, 2}, std::span(kVectors));
  const std::vector<std::int64_t> negative = {1, -1, 2};
  const std::vector<std::int64_t> twice = {1, 2, 1};
  const std::vector<float> not_finite = {1, 0, std::nanf(""), 1, 1, 1};
  const std::vector<std::uint8_t> bytes = {'a', 'b', 'c'};
  const std::vector<std::uint64_t> offsets = {0, 2, 1, 3};
  const std::vector<std::uint8_t> nibbles(3);
  const std::vector<std::int8_t> codes(6);
  const auto id_bytes = tensor("id_bytes", {3}, std::span(bytes));
  const struct {
    std::vector<TensorView> tensors;
    const char* part;
  } cases[] = {
      {{ids}, "tensor 'item_vectors' is not there"},
      {{vectors}, "tensor 'id_bytes' is not there"},
      {{tensor("ids", {3}, std::span(negative)), vectors}, "tensor 'ids' has a value below 0"},
      {{tensor("ids", {3}, std::span(twice)), vectors}, "the item '1' is there twice"},
      {{id_bytes, tensor("id_offsets", {4}, std::span(offsets)), vectors}, "tensor 'id_offsets' must ascend"},
      {{ids, tensor("item_vectors", {2, 3}, std::span(kVectors))}, "tensor 'item_vectors' does not have 3 rows"},
      {{ids, tensor("item_vectors", {6}, std::span(kVectors))}, "tensor 'item_vectors' does not have 3 rows"},
      {{ids, tensor("item_vectors", {3, 2}, std::span(not_finite))}, "tensor 'item_vectors' has a value"},
      {{ids, tensor("item_vectors", {3, 1}, std::span(nibbles))}, "model.toml gives no dim"},
      {{ids, tensor("item_vectors", {3, 2}, std::span(codes))}, "tensor 'item_vectors.scale' is not there"},
      {{ids, vectors, tensor("item_scale", {2}, std::span(kVectors).first(2))}, "tensor 'item_scale' has 2 values"},
      {{ids, vectors, tensor("popularity", {3}, std::span(not_finite).subspan(1, 3))}, "popularity has a value"},
      {{ids, vectors, tensor("history_vectors", {3, 1}, std::span(kVectors).first(3))}, "'history_vectors'"},
  };
  for (const auto& [tensors, part] : cases) {
    INFO(part);
    folder.write_tensors(tensors);
    check_fault(folder, StatusCode::kInvalidArgument, part);
  }
}

TEST_CASE("a model whose parts do not fit is not written") {
  const TemporaryFolder scratch;
  const auto refused = [&](const auto& change) {
    Model model = model_of_all_kinds(11, 5, 1);
    change(&model);
    return save_model(model, scratch / "m").code() == StatusCode::kInvalidArgument &&
           !std::filesystem::exists(scratch / "m");
  };
  CHECK(refused([](Model* model) { model->items.pop_back(); }));
  CHECK(refused([](Model* model) { model->items[3] = model->items[4]; }));
  CHECK(refused([](Model* model) { model->popularity[2] = std::nanf(""); }));
  CHECK(refused([](Model* model) { model->components.clear(); }));
  CHECK(refused([](Model* model) { model->components[1].name = model->components[0].name; }));
  CHECK(refused([](Model* model) { model->components[1].name = "a/b"; }));
  CHECK(refused([](Model* model) { model->components[2].dim = 4; }));
  CHECK(refused([](Model* model) { model->components[2].item_vectors[0] = INFINITY; }));
  CHECK(refused([](Model* model) { model->components[1].weights = some_weights(10, 1); }));
}
