#include "engine/learning/event_stream.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_set>
#include <utility>

#include "cairn/clock.h"
#include "cairn/options.h"
#include "engine/learning/text_lines.h"
#include "sql/interaction_stream.h"
#include "streaming/decode.h"
#include "streaming/source.h"

namespace cairn::learning {

Status for_each_event(std::span<const std::string> files, const InteractionTypes& types,
                      const std::function<void(const Interaction&)>& take) {
  streaming::Decoder decoder(types, DecodeOptions{}, SystemClock::instance());
  std::unordered_set<std::string> seen;  // event ids, of events and of what was retracted
  std::string padded;
  Interaction interaction;
  const auto read = [&](std::string_view line) {
    padded.assign(line);
    padded.append(streaming::kPayloadPadding, '\0');
    return decoder.decode(std::string_view(padded).substr(0, line.size()), &interaction);
  };
  // A retraction may stand behind its event, which is not to be given out: so they are looked for first.
  const auto take_retraction = [&](std::string_view line) -> LineFault {
    if (line.find("retract") == std::string_view::npos) return {};
    if (read(line) == streaming::Reject::kNone && interaction.retracts) seen.insert(interaction.event_id);
    return {};
  };
  for (const std::string& file : files) CAIRN_RETURN_IF_ERROR(for_each_line(file, take_retraction));
  const auto take_line = [&](std::string_view line) -> LineFault {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return {};
    if (read(line) != streaming::Reject::kNone) return decoder.detail();
    if (interaction.retracts) return {};
    if (interaction.event_id.empty() || seen.insert(interaction.event_id).second) take(interaction);
    return {};
  };
  for (const std::string& file : files) CAIRN_RETURN_IF_ERROR(for_each_line(file, take_line));
  return ok_status();
}

Result<std::vector<Interaction>> read_event_stream(std::span<const std::string> files, const InteractionTypes& types) {
  std::vector<Interaction> interactions;
  CAIRN_RETURN_IF_ERROR(for_each_event(files, types, [&](const Interaction& one) { interactions.push_back(one); }));
  datasets::sort_by_time(&interactions);
  return interactions;
}

Result<datasets::Dataset> read_sql_stream(const std::string& dsn, const std::string& schema,
                                          const InteractionTypes& types) {
  SqlOptions options;
  options.dsn = dsn;
  options.schema = schema;
  datasets::Dataset dataset{.name = "sql"};
  dataset.types = types;
  CAIRN_RETURN_IF_ERROR(sql::for_each_place(options, [&](const Place& place) { dataset.places.push_back(place); }));
  CAIRN_RETURN_IF_ERROR(sql::for_each_interaction(options, [&](const sql::InteractionRow& row) {
    const auto type = types.find(row.type);
    if (!type) return;
    dataset.interactions.push_back({.user = UserId(std::string(row.user)),
                                    .place = PlaceId(std::string(row.place)),
                                    .type = *type,
                                    .time = row.time});
  }));
  return dataset;
}

Result<InteractionTypes> parse_counts_as(std::span<const std::string> texts) {
  std::vector<std::string> declared;
  std::map<std::string, CountsAs> counts_as;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::size_t colon = text.find(':', std::min(equals, text.size()));
    CountsAs counts;
    bool right = equals != std::string::npos && equals > 0;
    if (right) counts.type = text.substr(equals + 1, colon - equals - 1);
    if (right && colon != std::string::npos) {
      const char* const end = text.data() + text.size();
      const auto [at, error] = std::from_chars(text.data() + colon + 1, end, counts.weight);
      right = error == std::errc() && at == end && counts.weight >= 1 && counts.weight <= InteractionTypes::kCountsMax;
    }
    if (!right) {
      return invalid_argument("'" + text + "' is not TYPE=TYPE:WEIGHT; write it like purchase=visit:5 or wish=save, " +
                              "with a whole WEIGHT from 1 to " + std::to_string(InteractionTypes::kCountsMax));
    }
    declared.push_back(text.substr(0, equals));
    counts_as[declared.back()] = counts;
  }
  return InteractionTypes::with_declared(declared, counts_as);
}

}  // namespace cairn::learning
