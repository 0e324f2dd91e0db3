// storage_process write DIR      writes numbered batches until it is killed; prints each number when it is acknowledged
// storage_process churn DIR      the same with large rows, so that tables are written all the time; after every 50th
// batch
//                                it flushes and prints "flushed N"
// storage_process hold DIR       opens DIR, prints "open", and holds it until its input ends
//
// Every fifth batch is synced.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "tests/storage/numbered_batch.h"

namespace {

using cairn::storage::Durability;

[[noreturn]] void fail(const cairn::Status& status) {
  std::fprintf(stderr, "storage_process: %s\n", status.to_string().c_str());
  std::_Exit(1);
}

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::_Exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const bool churn = std::string(argv[1]) == "churn";
  auto options = cairn::storage::small_options(argv[2]);
  if (churn) options.memtable_bytes = 128u << 10;
  auto store = cairn::storage::open_rocksdb_store(std::move(options));
  if (!store.ok()) fail(store.status());
  if (std::string(argv[1]) == "hold") {
    say("open");
    while (std::getchar() != EOF) {
    }
    return 0;
  }
  auto position = (*store)->get(cairn::storage::Family::kMeta, "position");
  if (!position.ok()) fail(position.status());
  for (int n = std::atoi(position->value_or("0").c_str()) + 1;; ++n) {
    const auto durability = n % 5 == 0 ? Durability::kSynced : Durability::kBuffered;
    auto batch = cairn::storage::numbered_batch(n);
    if (churn) batch.put(cairn::storage::Family::kPlaces, std::to_string(n % 100), std::string(4000, 'p'));
    if (const auto written = (*store)->write(std::move(batch), durability); !written.ok()) fail(written);
    say(std::to_string(n));
    if (!churn || n % 50 != 0) continue;
    if (const auto flushed = (*store)->flush(); !flushed.ok()) fail(flushed);
    say("flushed " + std::to_string(n));
  }
}
