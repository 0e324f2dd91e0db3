#include "gpu/guarded_backend.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "cairn/mutex.h"

namespace cairn::gpu {

namespace {

/// A table is copied to the device at its own pace, once; nothing that is answered waits for it.
constexpr std::chrono::seconds kMakeMax{60};
/// How long a device is waited for when its backend goes.
constexpr std::chrono::seconds kEndMax{2};
/// Of a column's rows: when more have changed, it is made anew.
constexpr std::size_t kDirtyShare = 4;

/// What is said of the query if the device is at fault, and not the query.
bool is_failure(const Status& status) { return !status.ok() && status.code() != StatusCode::kInvalidArgument; }

/// Rows that the device's thread may read when nobody waits for it any more.
struct OwnedRows {
  explicit OwnedRows(const ScanRows& from)
      : x(from.x.begin(), from.x.end()),
        y(from.y.begin(), from.y.end()),
        z(from.z.begin(), from.z.end()),
        tags(from.tags.begin(), from.tags.end()),
        vectors(from.vectors.begin(), from.vectors.end()),
        rows(from) {
    rows.x = x;
    rows.y = y;
    rows.z = z;
    rows.tags = tags;
    rows.vectors = vectors;
  }
  OwnedRows(const OwnedRows&) = delete;
  OwnedRows& operator=(const OwnedRows&) = delete;

  const std::vector<std::int32_t> x;
  const std::vector<std::int32_t> y;
  const std::vector<std::int32_t> z;
  const std::vector<std::uint32_t> tags;
  const std::vector<float> vectors;
  ScanRows rows;
};

}  // namespace

/// The values of a column, and how far the device has them.
struct GuardedBackend::ColumnSide {
  explicit ColumnSide(std::span<const float> from) : values(from.begin(), from.end()) {}

  /// Called by the device's thread. Returns: what the device returned.
  [[nodiscard]] Status bring_up_to_date(const ScanTable& table) CAIRN_EXCLUDES(mutex) {
    std::vector<std::uint32_t> rows;
    std::vector<float> fresh;
    {
      const MutexLock lock(mutex);
      if (std::exchange(all_dirty, false) || !on_device) {
        fresh = values;
      } else {
        rows.swap(dirty);
        std::sort(rows.begin(), rows.end());
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
        for (const std::uint32_t row : rows) fresh.push_back(values[row]);
      }
      dirty.clear();
    }
    if (!rows.empty()) on_device->set(rows, fresh);
    if (!rows.empty() || fresh.empty()) return ok_status();
    auto made = table.make_column(fresh);
    if (made.ok()) on_device = *std::move(made);
    return made.status();
  }
  /// Nobody knows what the device has.
  void lose() CAIRN_EXCLUDES(mutex) {
    const MutexLock lock(mutex);
    all_dirty = true;
  }

  Mutex mutex;
  std::vector<float> values CAIRN_GUARDED_BY(mutex);
  std::vector<std::uint32_t> dirty CAIRN_GUARDED_BY(mutex);
  bool all_dirty CAIRN_GUARDED_BY(mutex) = true;
  std::unique_ptr<ScanColumn> on_device;  ///< touched by the device's thread
};

/// A table on the device.
struct GuardedBackend::TableSide {
  explicit TableSide(const ScanRows& of) : rows(std::make_shared<const OwnedRows>(of)) {}

  /// Called by the device's thread. Returns: what the device returned.
  [[nodiscard]] Status make(Backend& device) {
    if (table) return ok_status();
    CAIRN_ASSIGN_OR_RETURN(table, device.make_scan_table(rows->rows));
    rows = nullptr;
    there.store(table.get(), std::memory_order_release);
    return ok_status();
  }

  std::unique_ptr<ScanTable> table;              ///< touched by the device's thread
  std::shared_ptr<const OwnedRows> rows;         ///< likewise; until the table is made
  std::atomic<const ScanTable*> there{nullptr};  ///< the table, once it is made
};

/// One call of the device, for which its caller may stop waiting.
struct GuardedBackend::Job {
  /// A query, with all that it points to.
  struct Query {
    explicit Query(const ScanQuery& from)
        : query(from),
          tag_table(from.tag_table.begin(), from.tag_table.end()),
          logs_table(from.logs_table.begin(), from.logs_table.end()),
          vector(from.vector.begin(), from.vector.end()),
          added_rows(from.added_rows.begin(), from.added_rows.end()),
          added(from.added.begin(), from.added.end()),
          excluded(from.excluded.begin(), from.excluded.end()) {
      query.tag_table = tag_table;
      query.logs_table = logs_table;
      query.vector = vector;
      query.added_rows = added_rows;
      query.added = added;
      query.excluded = excluded;
      if (from.ranges) query.ranges = ranges.emplace_back(from.ranges->begin(), from.ranges->end());
      if (from.allowed) query.allowed = allowed.emplace_back(from.allowed->begin(), from.allowed->end());
    }
    ScanQuery query;
    std::shared_ptr<ColumnSide> prior;
    std::shared_ptr<ColumnSide> logs;

   private:
    std::vector<float> tag_table;
    std::vector<float> logs_table;
    std::vector<float> vector;
    std::vector<std::uint32_t> added_rows;
    std::vector<float> added;
    std::vector<std::uint32_t> excluded;
    std::vector<std::vector<RowRange>> ranges;  // one or none: spans outlive a move
    std::vector<std::vector<std::uint64_t>> allowed;
  };

  std::function<Status(Job&)> work;
  std::shared_ptr<TableSide> table = {};
  std::shared_ptr<void> last = {};  ///< what is to be destroyed on the device's thread
  std::vector<std::unique_ptr<Query>> queries = {};
  std::vector<ScanAnswer> answers = {};  ///< touched by the device's thread until it is over

  Mutex mutex;
  CondVar changed;
  bool over CAIRN_GUARDED_BY(mutex) = false;
  Status status CAIRN_GUARDED_BY(mutex);

  void end(Status how) CAIRN_EXCLUDES(mutex) {
    {
      const MutexLock lock(mutex);
      over = true;
      status = std::move(how);
    }
    changed.notify_all();
  }
  /// Returns: whether it is over.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time, Status* how) CAIRN_EXCLUDES(mutex) {
    const auto until = std::chrono::steady_clock::now() + time;
    const MutexLock lock(mutex);
    while (!over) {
      if (changed.wait_until(mutex, until) == std::cv_status::timeout) break;
    }
    if (over) *how = status;
    return over;
  }
};

/// The device, the thread that calls it, and the breaker. The thread keeps it alive.
class GuardedBackend::Device : public std::enable_shared_from_this<Device> {
 public:
  Device(std::unique_ptr<Backend> backend, GuardOptions options)
      : backend_(std::move(backend)), options_(std::move(options)), pause_(options_.retry) {}

  void start() {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
  }

  /// Lets the thread end, and waits for it a while.
  void end() CAIRN_EXCLUDES(mutex_) {
    const auto until = std::chrono::steady_clock::now() + kEndMax;
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    while (!ended_) {
      if (changed_.wait_until(mutex_, until) == std::cv_status::timeout) return;  // it hangs
    }
  }

  void post(std::shared_ptr<Job> job) CAIRN_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      if (!ended_) {
        jobs_.push_back(std::move(job));
        changed_.notify_all();
        return;
      }
    }
    job->end(call(*job));  // nobody else calls the device any more
  }

  /// Destroys it where it cannot hold up anybody.
  void leave(std::shared_ptr<void> last) {
    auto job = std::make_shared<Job>();
    job->last = std::move(last);
    job->work = [](Job& one) {
      one.last.reset();
      return ok_status();
    };
    post(std::move(job));
  }

  enum class Turn : std::uint8_t {
    kScan,      ///< the device is to answer
    kTrial,     ///< it is given the scan, and nobody waits for it
    kFallback,  ///< it is left alone
  };
  /// `has_table`: whether the device has the table; if not, a trial makes it.
  [[nodiscard]] Turn turn(bool has_table) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!status_.open && has_table) return Turn::kScan;
    // As long as it has not come back from what it failed in, there is no use in asking more of it.
    if (trying_ || busy_ || !jobs_.empty() || options_.now() < retry_at_) return Turn::kFallback;
    trying_ = true;
    ++status_.trials;
    return Turn::kTrial;
  }

  /// False: it has failed, and has not come back from that.
  [[nodiscard]] bool idle_if_open() const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return !status_.open || (!busy_ && jobs_.empty());
  }

  void answered() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++status_.scans;
  }
  void fell_back() CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++status_.fallbacks;
  }
  void failed(const std::string& why) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++status_.failures;
    status_.last_failure = why;
    if (status_.open) return;
    status_.open = true;
    pause_ = options_.retry;
    retry_at_ = options_.now() + pause_;
  }
  void tried(const Status& how) CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    trying_ = false;
    if (!is_failure(how)) {
      status_.open = false;
      return;
    }
    ++status_.failures;
    status_.last_failure = how.message();
    pause_ = std::min(2 * pause_, options_.retry_max);
    retry_at_ = options_.now() + pause_;
  }

  [[nodiscard]] GuardStatus status() const CAIRN_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return status_;
  }
  [[nodiscard]] Backend& backend() noexcept { return *backend_; }
  [[nodiscard]] const GuardOptions& options() const noexcept { return options_; }

 private:
  void work() CAIRN_EXCLUDES(mutex_) {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        const MutexLock lock(mutex_);
        while (jobs_.empty() && !ending_) changed_.wait(mutex_);
        if (jobs_.empty()) {
          ended_ = true;
          changed_.notify_all();
          return;
        }
        job = std::move(jobs_.front());
        jobs_.pop_front();
        busy_ = true;
      }
      Status how = call(*job);
      {
        // First: who is told that it is over may ask for more.
        const MutexLock lock(mutex_);
        busy_ = false;
      }
      job->end(std::move(how));
    }
  }

  static Status call(Job& job) {
    try {
      return job.work(job);
    } catch (const std::bad_alloc&) {
      return resource_exhausted("no memory for a call of the device");
    } catch (const std::exception& thrown) {
      return internal_error(thrown.what());
    } catch (...) {
      return internal_error("a call of the device threw something that has no text");
    }
  }

  const std::unique_ptr<Backend> backend_;
  const GuardOptions options_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<std::shared_ptr<Job>> jobs_ CAIRN_GUARDED_BY(mutex_);
  bool busy_ CAIRN_GUARDED_BY(mutex_) = false;
  bool ending_ CAIRN_GUARDED_BY(mutex_) = false;
  bool ended_ CAIRN_GUARDED_BY(mutex_) = false;
  bool trying_ CAIRN_GUARDED_BY(mutex_) = false;
  std::chrono::milliseconds pause_ CAIRN_GUARDED_BY(mutex_);
  GuardOptions::TimePoint retry_at_ CAIRN_GUARDED_BY(mutex_);
  GuardStatus status_ CAIRN_GUARDED_BY(mutex_);
};

class GuardedBackend::Column final : public ScanColumn {
 public:
  Column(std::shared_ptr<Device> device, std::unique_ptr<ScanColumn> fallback, std::shared_ptr<ColumnSide> side)
      : device_(std::move(device)), fallback_(std::move(fallback)), side_(std::move(side)) {}
  ~Column() override { device_->leave(std::move(side_)); }

  void set(std::span<const std::uint32_t> rows, std::span<const float> values) override {
    fallback_->set(rows, values);
    const MutexLock lock(side_->mutex);
    for (std::size_t i = 0; i < rows.size(); ++i) side_->values[rows[i]] = values[i];
    if (side_->all_dirty) return;
    side_->dirty.insert(side_->dirty.end(), rows.begin(), rows.end());
    side_->all_dirty = side_->dirty.size() > side_->values.size() / kDirtyShare;
  }

  [[nodiscard]] const ScanColumn* fallback() const noexcept { return fallback_.get(); }
  [[nodiscard]] const std::shared_ptr<ColumnSide>& side() const noexcept { return side_; }

 private:
  const std::shared_ptr<Device> device_;
  const std::unique_ptr<ScanColumn> fallback_;
  std::shared_ptr<ColumnSide> side_;
};

class GuardedBackend::Table final : public ScanTable {
 public:
  Table(std::shared_ptr<Device> device, std::shared_ptr<TableSide> side, std::unique_ptr<ScanTable> fallback)
      : device_(std::move(device)), side_(std::move(side)), fallback_(std::move(fallback)) {}
  ~Table() override { device_->leave(std::move(side_)); }

  [[nodiscard]] std::size_t rows() const noexcept override { return fallback_->rows(); }
  [[nodiscard]] std::size_t dim() const noexcept override { return fallback_->dim(); }
  [[nodiscard]] std::size_t resident_bytes() const noexcept override { return fallback_->resident_bytes(); }

  [[nodiscard]] Result<std::unique_ptr<ScanColumn>> make_column(std::span<const float> values) const override {
    CAIRN_ASSIGN_OR_RETURN(auto column, fallback_->make_column(values));
    return std::unique_ptr<ScanColumn>(new Column(device_, std::move(column), std::make_shared<ColumnSide>(values)));
  }

  /// Queries are told what holds for both.
  [[nodiscard]] float vector_error(std::span<const float> vector) const override {
    const float error = fallback_->vector_error(vector);
    const ScanTable* there = side_->there.load(std::memory_order_acquire);
    return there != nullptr ? std::max(error, there->vector_error(vector)) : error;
  }

  [[nodiscard]] Status scan(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const override {
    const Device::Turn turn = device_->turn(side_->there.load(std::memory_order_acquire) != nullptr);
    if (turn != Device::Turn::kFallback) {
      CAIRN_ASSIGN_OR_RETURN(const auto job, job_of(queries));
      if (turn == Device::Turn::kTrial) {
        job->work = [device = device_](Job& one) {
          Status how = one.table->make(device->backend());
          if (how.ok()) how = scan_there(one);
          device->tried(how);
          return how;
        };
        device_->post(job);
      } else {
        job->work = scan_there;
        device_->post(job);
        Status how;
        const bool over = job->wait_for(device_->options().time_max, &how);
        if (over && !is_failure(how)) {
          device_->answered();
          *answers = std::move(job->answers);
          return how;
        }
        device_->failed(over
                            ? how.message()
                            : "a scan took longer than " + std::to_string(device_->options().time_max.count()) + " ms");
      }
    }
    device_->fell_back();
    return scan_here(queries, answers);
  }

 private:
  [[nodiscard]] Result<std::shared_ptr<Job>> job_of(std::span<const ScanQuery> queries) const {
    auto job = std::make_shared<Job>();
    job->table = side_;
    for (const ScanQuery& query : queries) {
      auto owned = std::make_unique<Job::Query>(query);
      CAIRN_ASSIGN_OR_RETURN(const Column* prior, column_of(query.prior));
      CAIRN_ASSIGN_OR_RETURN(const Column* logs, column_of(query.logs));
      if (prior != nullptr) owned->prior = prior->side();
      if (logs != nullptr) owned->logs = logs->side();
      job->queries.push_back(std::move(owned));
    }
    return job;
  }

  static Result<const Column*> column_of(const ScanColumn* column) {
    if (column == nullptr) return static_cast<const Column*>(nullptr);
    if (const auto* ours = dynamic_cast<const Column*>(column)) return ours;
    return invalid_argument("a column is of another table");
  }

  /// On the device's thread.
  static Status scan_there(Job& job) {
    std::vector<ScanQuery> queries;
    std::vector<ColumnSide*> sides;
    const auto use = [&](const std::shared_ptr<ColumnSide>& side, const ScanColumn** column) -> Status {
      if (!side) return ok_status();
      if (std::find(sides.begin(), sides.end(), side.get()) == sides.end()) {
        sides.push_back(side.get());
        CAIRN_RETURN_IF_ERROR(side->bring_up_to_date(*job.table->table));
      }
      *column = side->on_device.get();
      return ok_status();
    };
    const Status scanned = [&]() -> Status {
      for (const auto& one : job.queries) {
        ScanQuery& query = queries.emplace_back(one->query);
        CAIRN_RETURN_IF_ERROR(use(one->prior, &query.prior));
        CAIRN_RETURN_IF_ERROR(use(one->logs, &query.logs));
      }
      return job.table->table->scan(queries, &job.answers);
    }();
    if (is_failure(scanned)) {
      for (ColumnSide* side : sides) side->lose();
    }
    return scanned;
  }

  [[nodiscard]] Status scan_here(std::span<const ScanQuery> queries, std::vector<ScanAnswer>* answers) const {
    std::vector<ScanQuery> ours(queries.begin(), queries.end());
    for (ScanQuery& query : ours) {
      for (const ScanColumn** column : {&query.prior, &query.logs}) {
        CAIRN_ASSIGN_OR_RETURN(const Column* of, column_of(*column));
        *column = of == nullptr ? nullptr : of->fallback();
      }
    }
    CAIRN_RETURN_IF_ERROR(fallback_->scan(ours, answers));
    for (ScanAnswer& answer : *answers) answer.by_fallback = true;
    return ok_status();
  }

  const std::shared_ptr<Device> device_;
  std::shared_ptr<TableSide> side_;
  const std::unique_ptr<ScanTable> fallback_;
};

GuardedBackend::GuardedBackend(std::unique_ptr<Backend> device, std::unique_ptr<Backend> fallback, GuardOptions options)
    : name_(device->name()),
      device_(std::make_shared<Device>(std::move(device), std::move(options))),
      fallback_(std::move(fallback)) {
  device_->start();
}

GuardedBackend::~GuardedBackend() { device_->end(); }

Result<std::unique_ptr<ItemMatrix>> GuardedBackend::make_matrix(MatrixView items, const MatrixOptions& options) {
  return fallback_->make_matrix(items, options);
}

Result<std::unique_ptr<FoldIn>> GuardedBackend::make_fold_in(MatrixView items, const FoldInOptions& options) {
  return fallback_->make_fold_in(items, options);
}

Result<std::unique_ptr<ScanTable>> GuardedBackend::make_scan_table(const ScanRows& rows) {
  CAIRN_ASSIGN_OR_RETURN(auto fallback, fallback_->make_scan_table(rows));
  auto side = std::make_shared<TableSide>(rows);
  if (!device_->idle_if_open()) {
    // It hangs. A trial will make the table when it has come back.
    return std::unique_ptr<ScanTable>(new Table(device_, std::move(side), std::move(fallback)));
  }
  auto job = std::make_shared<Job>();
  job->table = side;
  job->work = [device = device_.get()](Job& one) { return one.table->make(device->backend()); };
  device_->post(job);
  Status how;
  if (!job->wait_for(kMakeMax, &how)) how = unavailable("it took longer than a minute to take a table");
  if (!how.ok()) device_->failed(how.message());
  return std::unique_ptr<ScanTable>(new Table(device_, std::move(side), std::move(fallback)));
}

GuardStatus GuardedBackend::status() const { return device_->status(); }

}  // namespace cairn::gpu
