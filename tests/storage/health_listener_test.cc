#include "storage/rocksdb/health_listener.h"

#include <doctest/doctest.h>

namespace cairn::storage {
namespace {

using Reason = rocksdb::BackgroundErrorReason;

struct Watched {
  DiskGate gate{{.path = "/", .probe = [](const std::string&) { return Result<std::uint64_t>(1u << 30); }}};
  HealthListener health{&gate, Logger()};

  explicit Watched(Reason reason, rocksdb::Status error) { health.OnBackgroundError(reason, &error); }
};

TEST_CASE("a full disk holds writes back where RocksDB goes on by itself, and ends them everywhere else") {
  for (const Reason reason : {Reason::kFlush, Reason::kFlushNoWAL, Reason::kCompaction}) {
    CAPTURE(static_cast<int>(reason));
    const Watched full(reason, rocksdb::Status::NoSpace());
    CHECK(full.gate.held());
    CHECK_FALSE(full.health.failure());
    const Watched broken(reason, rocksdb::Status::IOError("broken"));
    CHECK_FALSE(broken.gate.held());
    CHECK(broken.health.failure().value_or("").find("broken") != std::string::npos);
  }
  for (const Reason reason :
       {Reason::kWriteCallback, Reason::kMemTable, Reason::kManifestWrite, Reason::kManifestWriteNoWAL}) {
    CAPTURE(static_cast<int>(reason));
    const Watched full(reason, rocksdb::Status::NoSpace());
    CHECK_FALSE(full.gate.held());
    CHECK(full.health.failure());
  }
}

TEST_CASE("the gate opens again when RocksDB has recovered, and not when its recovery failed") {
  Watched full(Reason::kCompaction, rocksdb::Status::NoSpace());
  rocksdb::BackgroundErrorRecoveryInfo failed;
  failed.new_bg_error = rocksdb::Status::NoSpace();
  full.health.OnErrorRecoveryEnd(failed);
  CHECK(full.gate.held());
  full.health.OnErrorRecoveryEnd({});
  CHECK_FALSE(full.gate.held());
}

TEST_CASE("the first reason for which writing ended stays, and so does the first failure of a read") {
  Watched store(Reason::kFlush, rocksdb::Status::IOError("first"));
  store.health.fail("second");
  const std::string reason = store.health.failure().value_or("");
  CHECK(reason.find("first") != std::string::npos);
  CHECK(reason.find("second") == std::string::npos);

  CHECK(store.health.read_failure().empty());
  CHECK(store.health.note_read(ok_status()).ok());
  CHECK(store.health.read_failure().empty());
  CHECK(store.health.note_read(data_loss("block 1")).code() == StatusCode::kDataLoss);
  CHECK(store.health.note_read(unavailable("block 2")).code() == StatusCode::kUnavailable);
  CHECK(store.health.read_failure().find("block 1") != std::string::npos);
  CHECK(store.health.read_failure().find("block 2") == std::string::npos);
}

}  // namespace
}  // namespace cairn::storage
