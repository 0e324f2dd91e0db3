// A machine dies and its write-ahead log comes back damaged, in part, or not at all. What is found then is a prefix of
// the windows that were written: rows and the position that they reflect never come apart.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/rocksdb/rocksdb_store.h"
#include "tests/storage/faulty_disk.h"
#include "tests/storage/numbered_check.h"
#include "tests/support/copy_at_rest.h"

namespace cairn::storage {
namespace fs = std::filesystem;
namespace {

/// Keeps tables from being finished.
class TableHold {
 public:
  explicit TableHold(Faults* disk) : disk_(disk) { disk_->hold_table = true; }
  ~TableHold() {
    disk_->hold_table = false;
    disk_->hold_table.notify_all();
  }

 private:
  Faults* const disk_;
};

class Rounds {
 public:
  explicit Rounds(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  /// The windows held_ + 1 to some number, with flushes in between that may be finished or may not, and the image of a
  /// machine that dies then.
  void write_and_die(const std::string& state, const std::string& image) {
    StateStoreOptions options = small_options(state);
    options.memtable_bytes = 128u << 10;
    auto opened = open_rocksdb_store(std::move(options), {.env = env_.get()});
    REQUIRE_MESSAGE(opened.ok(), opened.status().to_string());
    StateStore& store = **opened;
    REQUIRE(check_numbered(store) == written_);
    in_files_ = written_;  // opening has put them there
    const std::size_t flush_at = below(40);
    for (std::size_t left = below(20); left > 0; --left) {
      if (left == flush_at) flush(store);
      write(store);
    }
    // A table that is not finished keeps every log behind it. Few windows, because RocksDB stops writes when three
    // memtables wait.
    const TableHold hold(&disk_);
    for (std::size_t left = 1 + below(8); left > 0; --left) write(store);
    note_files(store);
    test::copy_at_rest(state, image);
  }

  void damage(const std::string& image) {
    std::vector<fs::path> logs;
    for (const auto& file : fs::directory_iterator(image)) {
      if (file.path().extension() == ".log") logs.push_back(file.path());
    }
    std::sort(logs.begin(), logs.end());
    REQUIRE(!logs.empty());
    several_ += logs.size() > 1;
    const fs::path& log = logs[below(logs.size())];
    switch (below(6)) {
      case 0:
        break;
      case 1:
        for (const fs::path& each : logs) fs::remove(each);
        break;
      case 2:
        fs::remove(log);
        break;
      case 3:
        fs::resize_file(log, 0);
        break;
      case 4:
        fs::resize_file(log, below(fs::file_size(log) + 1));
        break;
      default:
        flip(log);
    }
  }

  void check(const std::string& image) {
    auto store = open_small(image);
    const int held = check_numbered(*store);
    CHECK(held <= written_);
    CHECK(held >= in_files_);
    for (int n = std::max(1, held - 40); n <= held + 1; ++n) {
      const auto row = must_get(*store, Family::kPlaces, "window " + std::to_string(n));
      REQUIRE(row.has_value() == (n <= held));
    }
    cut_ += held < written_;
    written_ = held;
    must(store->close());
  }

  [[nodiscard]] int cut() const { return cut_; }
  [[nodiscard]] int several() const { return several_; }

 private:
  void write(StateStore& store) {
    WriteBatch window = numbered_batch(++written_);
    std::string row(8000 + below(8000), '\0');
    for (char& byte : row) byte = static_cast<char>(random_());
    window.put(Family::kPlaces, "window " + std::to_string(written_), row);
    must(store.write(window, below(3) == 0 ? Durability::kBuffered : Durability::kSynced));
    numbers_.resize(static_cast<std::size_t>(written_) + 1);
    numbers_[static_cast<std::size_t>(written_)] = store.last_write();
  }

  void flush(StateStore& store) {
    must(store.flush());
    note_files(store);
    REQUIRE(in_files_ == written_);
  }

  /// The newest window that the store says no log is needed for any more.
  void note_files(const StateStore& store) {
    const std::uint64_t in_files = store.last_write_in_files();
    while (in_files_ < written_ && numbers_[static_cast<std::size_t>(in_files_) + 1] <= in_files) ++in_files_;
  }

  void flip(const fs::path& path) {
    if (fs::file_size(path) == 0) return;
    const auto offset = static_cast<std::streamoff>(below(fs::file_size(path)));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ (1 << below(8))));
    REQUIRE(file.good());
  }

  std::mt19937 random_;
  Faults disk_;
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(std::make_shared<FaultyDisk>(&disk_));
  int written_ = 0;
  int in_files_ = 0;
  int cut_ = 0;
  int several_ = 0;
  std::vector<std::uint64_t> numbers_;  ///< last_write() by window, of this opening
};

TEST_CASE("whatever becomes of the log, rows and position agree and nothing that was in files is missing") {
  constexpr unsigned kSeed = 20250222;
  INFO("seed ", kSeed);
  Rounds rounds(kSeed);
  TempDir dir;
  for (int round = 0; round < 100; ++round) {
    INFO("round ", round);
    const std::string state = dir / ("state " + std::to_string(round));
    const std::string image = dir / ("state " + std::to_string(round + 1));
    rounds.write_and_die(state, image);
    rounds.damage(image);
    rounds.check(image);
    fs::remove_all(state);
  }
  MESSAGE("rounds that lost windows: ", rounds.cut(), ", with more than one log: ", rounds.several());
  CHECK(rounds.cut() > 20);
  CHECK(rounds.several() > 20);
}

}  // namespace
}  // namespace cairn::storage
