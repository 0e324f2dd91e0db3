#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>

namespace cairn::storage {

/// The system's file system, which can lose power: what was not synced is then gone, in part or whole, and so are names
/// whose folder was not synced. And it can fail one call, the n-th of its kind, once.
class UnreliableDisk final : public rocksdb::FileSystemWrapper {
 public:
  enum class Call : std::uint8_t { kSync, kWrite, kRead };

  UnreliableDisk() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "UnreliableDisk"; }

  /// The n-th call of the kind from now on fails once: 1 is the next. Of reads, the caller's thread's own are meant: a
  /// compaction may read at any time, and a failed one closes the store to writes.
  void fail(Call call, int n) {
    const std::lock_guard lock(mutex_);
    failing_ = call;
    reader_ = std::this_thread::get_id();
    left_ = n;
    failed_ = false;
  }
  [[nodiscard]] bool has_failed() const {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

  /// What the disk holds of `from` when the power goes now, put into `to`.
  void lose_power(const std::string& from, const std::string& to, std::mt19937& random) {
    namespace fs = std::filesystem;
    const std::lock_guard lock(mutex_);
    fs::create_directory(to);
    for (const auto& entry : fs::directory_iterator(from)) {
      const std::string path = entry.path().string();
      const std::string copy = to + "/" + entry.path().filename().string();
      const auto file = files_.find(path);
      const auto renamed = renamed_.find(path);
      if (renamed != renamed_.end() && random() % 2 == 0) {  // the name still means what it did before
        if (renamed->second) write_all(copy, *renamed->second);
        continue;
      }
      if (file != files_.end() && !file->second.named && random() % 2 == 0) continue;
      std::string bytes = read_all(path);
      if (file != files_.end() && file->second.synced < bytes.size()) {
        bytes.resize(file->second.synced + random() % (bytes.size() - file->second.synced + 1));
      }
      write_all(copy, bytes);
    }
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* context) override {
    const std::lock_guard lock(mutex_);
    auto status = target()->NewWritableFile(path, options, result, context);
    if (!status.ok()) return status;
    files_[path] = {};
    *result = std::make_unique<Writable>(std::move(*result), path, this);
    return status;
  }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* context) override {
    auto status = target()->NewRandomAccessFile(path, options, result, context);
    if (status.ok()) *result = std::make_unique<Readable>(std::move(*result), this);
    return status;
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* context) override {
    auto status = target()->NewDirectory(path, options, result, context);
    if (status.ok()) *result = std::make_unique<Folder>(std::move(*result), this);
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
    const std::lock_guard lock(mutex_);
    std::optional<std::string> before;
    if (std::filesystem::exists(to)) before = read_all(to);
    auto status = target()->RenameFile(from, to, options, context);
    if (!status.ok()) return status;
    if (auto moved = files_.extract(from)) {
      moved.key() = to;
      files_.erase(to);
      files_.insert(std::move(moved));
    }
    renamed_.try_emplace(to, std::move(before));
    return status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
    renamed_.erase(path);
    return target()->DeleteFile(path, options, context);
  }

 private:
  struct File {
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
    bool named = false;  ///< its folder was synced since it was made
  };

  class Writable final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Writable(std::unique_ptr<rocksdb::FSWritableFile> file, std::string path, UnreliableDisk* disk)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), disk_(disk) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      const std::lock_guard lock(disk_->mutex_);
      if (disk_->fails(Call::kWrite)) return rocksdb::IOStatus::IOError("injected write failure", path_);
      auto status = FSWritableFileOwnerWrapper::Append(data, options, context);
      if (status.ok()) disk_->files_[path_].size += data.size();
      return status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
      return Append(data, options, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      const std::lock_guard lock(disk_->mutex_);
      if (disk_->fails(Call::kSync)) return rocksdb::IOStatus::IOError("injected sync failure", path_);
      // The disk of this test need not be told: what it holds after a power failure is what is noted here.
      File& file = disk_->files_[path_];
      file.synced = file.size;
      return rocksdb::IOStatus::OK();
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* context) override {
      return Sync(options, context);
    }
    // A hint to begin writing proves nothing.
    rocksdb::IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions&,
                                rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::OK();
    }

   private:
    const std::string path_;
    UnreliableDisk* const disk_;
  };

  class Readable final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    Readable(std::unique_ptr<rocksdb::FSRandomAccessFile> file, UnreliableDisk* disk)
        : rocksdb::FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk) {}
    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t n, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch, rocksdb::IODebugContext* context) const override {
      {
        const std::lock_guard lock(disk_->mutex_);
        if (disk_->fails(Call::kRead)) return rocksdb::IOStatus::IOError("injected read failure");
      }
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
    UnreliableDisk* const disk_;
  };

  class Folder final : public rocksdb::FSDirectoryWrapper {
   public:
    Folder(std::unique_ptr<rocksdb::FSDirectory> folder, UnreliableDisk* disk)
        : rocksdb::FSDirectoryWrapper(std::move(folder)), disk_(disk) {}
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override { return sync(); }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                                          const rocksdb::DirFsyncOptions&) override {
      return sync();
    }

   private:
    rocksdb::IOStatus sync() {
      const std::lock_guard lock(disk_->mutex_);
      if (disk_->fails(Call::kSync)) return rocksdb::IOStatus::IOError("injected sync failure of a folder");
      for (auto& [path, file] : disk_->files_) file.named = true;
      disk_->renamed_.clear();
      return rocksdb::IOStatus::OK();
    }
    UnreliableDisk* const disk_;
  };

  /// With the mutex held.
  bool fails(Call call) {
    if (!failing_ || *failing_ != call) return false;
    if (call == Call::kRead && std::this_thread::get_id() != reader_) return false;
    if (--left_ > 0) return false;
    failing_.reset();
    failed_ = true;
    return true;
  }
  static std::string read_all(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  static void write_all(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  mutable std::mutex mutex_;
  std::map<std::string, File> files_;                          ///< made through this disk
  std::map<std::string, std::optional<std::string>> renamed_;  ///< what a name meant before, until its folder is synced
  std::optional<Call> failing_;
  std::thread::id reader_;  ///< whose reads count
  int left_ = 0;
  bool failed_ = false;
};

}  // namespace cairn::storage
