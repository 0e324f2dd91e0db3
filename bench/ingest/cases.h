#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/ingest/data.h"
#include "bench/ingest/kafka.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/options.h"
#include "bench/report.h"

namespace cairn::bench {

/// What all cases of one run share. One thread.
class IngestRun {
 public:
  IngestRun(const Report& the_report, IngestOptions the_options);

  /// The stream at the size that the command line asks for, else at this one. Made at most once.
  const Data& data(DataSize usual);
  /// The stream at exactly this size. Made at most once.
  const Data& data_of(const DataSize& size);
  /// One million events of 100,000 users at 50,000 places; --quick: 50,000, 5,000 and 3,000.
  const Data& data();
  /// How often each side runs.
  [[nodiscard]] std::size_t rounds(std::size_t usual) const;

  /// A broker, started when it is first asked for. Returns: nullptr when there can be none here, said on stderr.
  KafkaBroker* kafka();
  /// A topic of 12 partitions with the events of `data`, keyed by user. Filled at most once.
  const std::string& topic_of(const Data& data);

  const Report& report;
  const IngestOptions options;

 private:
  std::vector<std::unique_ptr<Data>> made_;
  std::unique_ptr<KafkaBroker> kafka_;
  std::map<std::string, std::string> topics_;  ///< by the path of the events
};

// What each case measures stands above it in its source.
void decode_case(IngestRun& run);
void file_case(IngestRun& run);
void file5m_case(IngestRun& run);
void hot_case(IngestRun& run);
void kafka_case(IngestRun& run);
void streams_case(IngestRun& run);
void disk_case(IngestRun& run);
void fresh_case(IngestRun& run);
void restart_case(IngestRun& run);
void reads_case(IngestRun& run);
void growth_case(IngestRun& run);
void memory_case(IngestRun& run);

// What run_child() runs for them.
int restart_child(const std::vector<std::string>& arguments);
int growth_child(const std::vector<std::string>& arguments);
int memory_child(const std::vector<std::string>& arguments);

}  // namespace cairn::bench
