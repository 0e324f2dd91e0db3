#include "bench/ingest/streams_peer.h"

#include <cstdlib>
#include <filesystem>

#include "bench/ingest/shell.h"
#include "tests/support/temporary_folder.h"

namespace cairn::bench {

std::optional<StreamsPeer> StreamsPeer::build() {
  const std::string folder = std::string(CAIRN_BINARY_DIR) + "/kafka-streams-peer";
  const std::string pom = std::string(CAIRN_SOURCE_DIR) + "/bench/peers/kafka-streams/pom.xml";
  const ShellAnswer built = shell("command -v java && mvn -B -ntp -q -f '" + pom + "' -Dpeer.folder='" + folder +
                                  "' compile dependency:copy-dependencies -DoutputDirectory='" + folder + "/lib'");
  if (built.status == 0) return StreamsPeer(folder);
  std::fprintf(stderr,
               "SKIPPED: the Kafka Streams peer cannot be built here (Java 17 and Maven with its artifacts):\n%s\n",
               built.output.c_str());
  return std::nullopt;
}

double StreamsPeer::run(const std::string& topology, const std::string& brokers, const std::string& topic,
                        const Data& data) const {
  const test::TemporaryFolder state;
  std::string command = "java -Xms1g -Xmx3g -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp '" + folder_ +
                        "/classes:" + folder_ + "/lib/*' cairn.peer.Main";
  for (const std::string& word :
       {topology, brokers, topic, std::to_string(data.size.events), data.places_path, data.known_path, state.path()}) {
    command += " '" + word + "'";
  }
  const ShellAnswer answer = shell(command);
  CAIRN_CHECK_MSG(answer.status == 0, answer.output);
  const std::size_t at = answer.output.rfind("seconds=");
  CAIRN_CHECK_MSG(at != std::string::npos, answer.output);
  return std::strtod(answer.output.c_str() + at + 8, nullptr);
}

}  // namespace cairn::bench
