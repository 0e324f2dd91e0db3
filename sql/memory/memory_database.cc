#include "sql/memory/memory_database.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "cairn/mutex.h"
#include "features/event_id_memory.h"
#include "sql/batch.h"
#include "sql/hourly_stats.h"
#include "sql/place_rows.h"

namespace cairn::sql {

/// All tables under one lock, which makes every method a transaction.
class MemoryDatabase::Tables {
 public:
  Tables(const InteractionTypes& types, std::uint64_t dedup_ids)
      : types_(types), event_ids_(features::EventIdMemory::generation_size(dedup_ids)) {}

  void migrate() {
    const MutexLock lock(mutex_);
    migrated_ = true;
  }

  Result<std::vector<SourcePosition>> load_positions(std::string_view source) const {
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    return positions_of(std::string(source));
  }

  Result<Materializer::Applied> apply(const Batch& batch) {
    CAIRN_RETURN_IF_ERROR(check_batch(batch, types_));
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    // Everything that can fail comes before the first change: the lock makes the rest one transaction.
    if (standing_of(batch, positions_of(batch.source)) != Standing::kBefore) return aborted(batch);
    Materializer::Applied applied;
    for (const Interaction& interaction : batch.interactions) {
      const features::EventFate fate = fate_of(interaction);
      if (fate == features::EventFate::kUndo) {
        ++applied.retracted;
        take_out(interaction);
        continue;
      }
      if (fate != features::EventFate::kApply) {
        ++applied.repeated;
        continue;
      }
      ++applied.rows;
      interactions_.push_back(interaction);
      kept_.push_back({.written = std::chrono::time_point_cast<EventTime::duration>(std::chrono::system_clock::now())});
      sources_.push_back(batch.source);
    }
    for (const SourcePosition& position : batch.after) positions_[batch.source][position.partition] = position;
    return applied;
  }

  Status write_places(std::span<const Place> places, std::span<const DeletedPlace> deleted, std::uint64_t version) {
    CAIRN_RETURN_IF_ERROR(check_places(places, version));
    for (const DeletedPlace& one : deleted) CAIRN_RETURN_IF_ERROR(check_places({&one.place, 1}, version));
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    for (const Place* place : last_of_each(places)) {
      VersionedPlace& row = places_[place->id];
      if (row.version <= version) row = {*place, version, std::nullopt};
    }
    for (const DeletedPlace& one : deleted) mark_deleted(one, version);
    places_version_ = std::max(places_version_, version);
    return ok_status();
  }

  Result<std::uint64_t> places_version() const {
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    return places_version_;
  }

  Status maintain() const {
    const MutexLock lock(mutex_);
    return check_migrated();
  }

  std::vector<InteractionRow> interactions() const {
    const MutexLock lock(mutex_);
    std::vector<InteractionRow> rows;
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      if (!kept_[i].erased) rows.push_back({sources_[i], interactions_[i]});
    }
    return rows;
  }

  Result<std::uint64_t> erase_user(const UserId& user, EventTime until, EventTime written) {
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    std::uint64_t erased = 0;
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      const bool goes = interactions_[i].time <= until || kept_[i].written <= written;
      if (interactions_[i].user != user || kept_[i].erased || !goes) continue;
      kept_[i].erased = true;
      ++erased;
    }
    return erased;
  }

  Result<std::vector<UserRow>> rows_of(const UserId& user) const {
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    std::vector<UserRow> rows;
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      if (interactions_[i].user == user && !kept_[i].erased) rows.push_back(row_of(i));
    }
    std::stable_sort(rows.begin(), rows.end(), [](const UserRow& a, const UserRow& b) {
      return std::tie(a.time, a.place, a.type) < std::tie(b.time, b.place, b.type);
    });
    return rows;
  }

  Result<std::optional<EventRow>> find(const std::string& event_id) const {
    const MutexLock lock(mutex_);
    CAIRN_RETURN_IF_ERROR(check_migrated());
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      const Interaction& one = interactions_[i];
      if (one.event_id != event_id || kept_[i].erased) continue;
      return std::optional(EventRow{one.user, row_of(i)});
    }
    return std::optional<EventRow>();
  }

  /// Made when asked for: nothing else depends on them.
  std::vector<HourlyRow> hourly() const {
    const MutexLock lock(mutex_);
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      const auto erased = without_hours_.find(interactions_[i].place);
      if (kept_[i].retracted) continue;
      if (erased == without_hours_.end() || i >= erased->second) all.push_back(i);
    }
    std::vector<HourlyRow> rows;
    for (const HourlyStat& stat : aggregate_hourly(interactions_, all, types_)) {
      rows.push_back({std::string(stat.place), stat.hour, std::string(stat.type), stat.events, stat.value_count,
                      stat.value_sum_micros, stat.value_min, stat.value_max});
    }
    return rows;
  }

  std::vector<Place> places() const {
    const MutexLock lock(mutex_);
    std::vector<Place> rows;
    for (const auto& [id, row] : places_) rows.push_back(row.place);
    return rows;
  }

  std::vector<PlaceId> deleted_places() const {
    const MutexLock lock(mutex_);
    std::vector<PlaceId> ids;
    for (const auto& [id, row] : places_) {
      if (row.deleted) ids.push_back(id);
    }
    return ids;
  }

 private:
  UserRow row_of(std::size_t i) const CAIRN_REQUIRES(mutex_) {
    const Interaction& one = interactions_[i];
    return {one.time, one.place.str(), types_.name(one.type), one.value, one.position, one.event_id, sources_[i]};
  }

  struct VersionedPlace {
    Place place;
    std::uint64_t version = 0;
    std::optional<EventTime> deleted;
  };

  /// When an interaction's row was written, and whether it is still there. Hours count it also when it was erased.
  struct Kept {
    EventTime written;
    bool erased = false;
    bool retracted = false;  ///< no hour counts it
  };

  void mark_deleted(const DeletedPlace& deleted, std::uint64_t version) CAIRN_REQUIRES(mutex_) {
    const auto [found, added] = places_.try_emplace(deleted.place.id, VersionedPlace{deleted.place, 0, std::nullopt});
    VersionedPlace& row = found->second;
    if (row.version > version) return;
    if (deleted.history_erased && row.deleted != deleted.at) without_hours_[deleted.place.id] = interactions_.size();
    row.version = version;
    row.deleted = deleted.at;
  }

  Status check_migrated() const CAIRN_REQUIRES(mutex_) {
    return migrated_ ? ok_status() : failed_precondition("the tables are not there; run the migration first");
  }

  std::vector<SourcePosition> positions_of(const std::string& source) const CAIRN_REQUIRES(mutex_) {
    std::vector<SourcePosition> positions;
    const auto found = positions_.find(source);
    if (found == positions_.end()) return positions;
    for (const auto& [partition, position] : found->second) positions.push_back(position);
    return positions;
  }

  features::EventFate fate_of(const Interaction& interaction) CAIRN_REQUIRES(mutex_) {
    if (interaction.event_id.empty()) return features::EventFate::kApply;
    const features::EventNote note{features::contents_print(interaction), 0};
    return event_ids_.judge(features::fingerprint(interaction.event_id), interaction.retracts, note).fate;
  }

  void take_out(const Interaction& retraction) CAIRN_REQUIRES(mutex_) {
    for (std::size_t i = 0; i < interactions_.size(); ++i) {
      const Interaction& one = interactions_[i];
      if (one.event_id != retraction.event_id || one.user != retraction.user || one.time != retraction.time) continue;
      if (kept_[i].erased) continue;
      kept_[i].erased = kept_[i].retracted = true;
      return;
    }
  }

  // Fixed after construction.
  const InteractionTypes& types_;

  mutable Mutex mutex_;
  bool migrated_ CAIRN_GUARDED_BY(mutex_) = false;
  std::vector<Interaction> interactions_ CAIRN_GUARDED_BY(mutex_);
  std::vector<std::string> sources_ CAIRN_GUARDED_BY(mutex_);  ///< of the interaction of the same index
  std::vector<Kept> kept_ CAIRN_GUARDED_BY(mutex_);            ///< likewise
  features::EventIdMemory event_ids_ CAIRN_GUARDED_BY(mutex_);
  std::map<std::string, std::map<Partition, SourcePosition>> positions_ CAIRN_GUARDED_BY(mutex_);  ///< by source
  std::map<PlaceId, VersionedPlace> places_ CAIRN_GUARDED_BY(mutex_);
  std::uint64_t places_version_ CAIRN_GUARDED_BY(mutex_) = 0;
  /// How many of the first interactions are in no hour of the place any more.
  std::map<PlaceId, std::size_t> without_hours_ CAIRN_GUARDED_BY(mutex_);
};

class MemoryDatabase::MemoryMaterializer final : public Materializer {
 public:
  explicit MemoryMaterializer(std::shared_ptr<Tables> tables) : tables_(std::move(tables)) {}

  Result<std::vector<SourcePosition>> load_positions(std::string_view source) override {
    return tables_->load_positions(source);
  }
  Result<Applied> apply(std::string_view source, std::span<const Interaction> interactions,
                        std::span<const SourcePosition> before, std::span<const SourcePosition> after) override {
    return tables_->apply({std::string(source), interactions, before, after});
  }

 private:
  const std::shared_ptr<Tables> tables_;
};

class MemoryDatabase::MemoryPlaceMirror final : public PlaceMirror {
 public:
  explicit MemoryPlaceMirror(std::shared_ptr<Tables> tables) : tables_(std::move(tables)) {}

  Status write_places(std::span<const Place> places, std::span<const DeletedPlace> deleted,
                      std::uint64_t version) override {
    return tables_->write_places(places, deleted, version);
  }
  Result<std::uint64_t> places_version() override { return tables_->places_version(); }

 private:
  const std::shared_ptr<Tables> tables_;
};

class MemoryDatabase::MemoryUserRows final : public UserRows {
 public:
  explicit MemoryUserRows(std::shared_ptr<Tables> tables) : tables_(std::move(tables)) {}

  Result<std::uint64_t> erase(const UserId& user, EventTime until, EventTime written) override {
    return tables_->erase_user(user, until, written);
  }
  Result<std::vector<UserRow>> read(const UserId& user) override { return tables_->rows_of(user); }
  Result<std::optional<EventRow>> find(const std::string& event_id) override { return tables_->find(event_id); }

 private:
  const std::shared_ptr<Tables> tables_;
};

class MemoryDatabase::MemoryUpkeep final : public Upkeep {
 public:
  explicit MemoryUpkeep(std::shared_ptr<Tables> tables) : tables_(std::move(tables)) {}

  Status migrate() override {
    tables_->migrate();
    return ok_status();
  }
  Status ping() override { return ok_status(); }
  Status maintain(EventTime) override { return tables_->maintain(); }

 private:
  const std::shared_ptr<Tables> tables_;
};

MemoryDatabase::MemoryDatabase(const InteractionTypes& types, std::uint64_t dedup_ids)
    : tables_(std::make_shared<Tables>(types, dedup_ids)) {}

Database MemoryDatabase::roles() const {
  return {.materializer = std::make_unique<MemoryMaterializer>(tables_),
          .places = std::make_unique<MemoryPlaceMirror>(tables_),
          .upkeep = std::make_unique<MemoryUpkeep>(tables_),
          .users = std::make_unique<MemoryUserRows>(tables_)};
}

std::vector<MemoryDatabase::InteractionRow> MemoryDatabase::interactions() const { return tables_->interactions(); }
std::vector<MemoryDatabase::HourlyRow> MemoryDatabase::hourly() const { return tables_->hourly(); }
std::vector<Place> MemoryDatabase::places() const { return tables_->places(); }
std::vector<PlaceId> MemoryDatabase::deleted_places() const { return tables_->deleted_places(); }

}  // namespace cairn::sql
