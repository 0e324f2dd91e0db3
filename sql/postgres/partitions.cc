#include "sql/postgres/partitions.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>

#include "sql/postgres/text.h"

namespace cairn::sql {
namespace {

struct PartitionedTable {
  std::string_view name;
  std::string_view storage;  ///< storage parameters; PostgreSQL takes them on partitions only
};

// Room on each page of the aggregates keeps their updates heap-only: no index entry is written for an update.
constexpr PartitionedTable kTables[] = {
    {"user_interactions", ""},
    {"place_stats_hourly", " WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)"},
};

/// "2024_02". Only digits and '_': may stand in SQL.
std::string suffix(std::chrono::year_month month) {
  char text[24];
  const int size = std::snprintf(text, sizeof text, "%04d_%02u", int{month.year()}, unsigned{month.month()});
  return {text, static_cast<std::size_t>(size)};
}

/// The partition bound; the month after December 9999 cannot be written in four digits.
std::string bound(std::chrono::year_month month) {
  if (month.year() > std::chrono::year{9999}) return "MAXVALUE";
  return "TIMESTAMPTZ '" + time_text(std::chrono::sys_days(month / 1)) + "'";
}

/// The suffixes of the months that exist, by table.
using Existing = std::map<std::string, std::set<std::string>, std::less<>>;

Existing read_existing(pqxx::transaction_base& transaction) {
  Existing existing;
  const pqxx::result rows = transaction.exec(
      "SELECT parent.relname, month.relname FROM pg_inherits i "
      "JOIN pg_class parent ON parent.oid = i.inhparent JOIN pg_class month ON month.oid = i.inhrelid "
      "WHERE i.inhparent IN ('user_interactions'::regclass, 'place_stats_hourly'::regclass)");
  for (const pqxx::row& row : rows) {
    const auto table = row[0].as<std::string>();
    const auto name = row[1].as<std::string>();
    if (name.starts_with(table + "_")) existing[table].insert(name.substr(table.size() + 1));
  }
  return existing;
}

void make_month(pqxx::transaction_base& transaction, const PartitionedTable& table, std::chrono::year_month month) {
  const std::string parent(table.name);
  const std::string name = parent + "_" + suffix(month);
  transaction.exec("CREATE TABLE " + name + " (LIKE " + parent + " INCLUDING ALL EXCLUDING COMMENTS)" +
                   std::string(table.storage) + "; ALTER TABLE " + parent + " ATTACH PARTITION " + name +
                   " FOR VALUES FROM (" + bound(month) + ") TO (" + bound(month + std::chrono::months(1)) + ")");
}

std::size_t count_months(const Existing& existing, const Partitions::Months& wanted) {
  std::set<std::string> all;
  for (const auto& [table, suffixes] : existing) all.insert(suffixes.begin(), suffixes.end());
  for (const auto month : wanted) all.insert(suffix(month));
  return all.size();
}

}  // namespace

std::chrono::year_month month_of(EventTime time) {
  const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
  return date.year() / date.month();
}

Partitions::Partitions(Pool& pool, int months_max) : pool_(pool), months_max_(static_cast<std::size_t>(months_max)) {}

Status Partitions::ensure(const Months& months) {
  {
    const MutexLock lock(mutex_);
    if (std::includes(known_.begin(), known_.end(), months.begin(), months.end())) return ok_status();
  }
  Status status = pool_.run("month partitions", [&](Session& session) {
    pqxx::work transaction(session.connection());
    Status made = make_missing(transaction, months);
    if (made.ok()) transaction.commit();
    return made;
  });
  if (!status.ok()) return status;
  const MutexLock lock(mutex_);
  // After the commit: another thread must not rely on a month that may yet be rolled back.
  known_.insert(months.begin(), months.end());
  return ok_status();
}

Status Partitions::make_missing(pqxx::work& transaction, const Months& months) const {
  // One at a time, over all processes on this schema.
  transaction.exec("SELECT pg_advisory_xact_lock(hashtextextended('cairn months ' || current_schema(), 0))");
  const Existing existing = read_existing(transaction);
  const std::size_t count = count_months(existing, months);
  // A bound only on what is new: months that are there go on being written, also when the limit was lowered.
  if (count > count_months(existing, {}) && count > months_max_) {
    return resource_exhausted("events from " + suffix(*months.begin()) + " to " + suffix(*months.rbegin()) +
                              " would make " + std::to_string(count) + " month partitions; sql.partitions_max allows " +
                              std::to_string(months_max_) +
                              ". Raise it, drop old months, or refuse such events (the earliest and latest event time "
                              "that decoding accepts)");
  }
  for (const PartitionedTable& table : kTables) {
    const auto there = existing.find(table.name);
    for (const auto month : months) {
      if (there == existing.end() || !there->second.contains(suffix(month))) make_month(transaction, table, month);
    }
  }
  return ok_status();
}

void Partitions::forget() {
  const MutexLock lock(mutex_);
  known_.clear();
}

}  // namespace cairn::sql
