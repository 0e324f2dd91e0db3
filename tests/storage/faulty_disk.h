#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cairn::storage {

/// Which calls of a FaultyDisk fail, and how. Set by the test at any time.
struct Faults {
  std::atomic<bool> sync_log = false;     ///< fsync of a *.log file: I/O error
  std::atomic<bool> write_table = false;  ///< append to a *.sst file: I/O error
  std::atomic<bool> table_full = false;   ///< append to a *.sst file: no space
  std::atomic<bool> read_table = false;   ///< read of a *.sst file: I/O error
  std::atomic<bool> hold_table = false;   ///< append to a *.sst file: waits until false again, and is notified
  std::atomic<std::uint64_t> failed = 0;  ///< calls that were made to fail
};

/// The system's file system, with faults on demand.
class FaultyDisk final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyDisk(Faults* faults) : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()), faults_(faults) {}

  const char* Name() const override { return "FaultyDisk"; }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override {
    auto status = target()->NewWritableFile(path, options, result, context);
    if (status.ok()) *result = std::make_unique<Writable>(std::move(*result), path, faults_);
    return status;
  }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* context) override {
    auto status = target()->NewRandomAccessFile(path, options, result, context);
    if (status.ok()) *result = std::make_unique<Readable>(std::move(*result), path, faults_);
    return status;
  }

 private:
  static rocksdb::IOStatus broken(Faults* faults, const std::string& path) {
    ++faults->failed;
    return rocksdb::IOStatus::IOError("injected failure", path);
  }

  class Writable final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Writable(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, Faults* faults)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), faults_(faults) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      if (path_.ends_with(".sst")) faults_->hold_table.wait(true);
      if (path_.ends_with(".sst") && faults_->write_table) return broken(faults_, path_);
      if (path_.ends_with(".sst") && faults_->table_full) {
        ++faults_->failed;
        return rocksdb::IOStatus::NoSpace("injected full disk", path_);
      }
      return FSWritableFileOwnerWrapper::Append(data, options, context);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
      return Append(data, options, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      if (path_.ends_with(".log") && faults_->sync_log) return broken(faults_, path_);
      return FSWritableFileOwnerWrapper::Sync(options, context);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      return Sync(options, context);
    }

   private:
    const std::string path_;
    Faults* const faults_;
  };

  class Readable final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    Readable(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string path, Faults* faults)
        : rocksdb::FSRandomAccessFileOwnerWrapper(std::move(file)), path_(std::move(path)), faults_(faults) {}

    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch, rocksdb::IODebugContext* context) const override {
      if (path_.ends_with(".sst") && faults_->read_table) return broken(faults_, path_);
      return FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, scratch, context);
    }
    rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* requests, std::size_t n, const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* context) override {
      for (std::size_t i = 0; i < n; ++i) {
        rocksdb::FSReadRequest& request = requests[i];
        request.status = Read(request.offset, request.len, options, &request.result, request.scratch, context);
      }
      return rocksdb::IOStatus::OK();
    }

   private:
    const std::string path_;
    Faults* const faults_;
  };

  Faults* const faults_;
};

}  // namespace cairn::storage
