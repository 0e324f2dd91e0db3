#include <string>

#include "engine/config/sections/bounds.h"
#include "engine/config/sections/complaints.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {
namespace {

/// An identifier that PostgreSQL takes without quotes, and does not cut (63 bytes).
std::string identifier_complaint(const Value& value) {
  const std::string& name = std::get<std::string>(value);
  if (matches(name, 63, "a_", "a0_")) return {};
  return quoted(name) + " must have 1 to 63 characters, lower-case letters, digits and '_', the first one no digit";
}

}  // namespace

Section sql_section() {
  return {
      "sql",
      "PostgreSQL with PostGIS. Without a dsn Cairn runs on its own state alone.",
      {
          make_key<Config>(CAIRN_AT(engine.sql.dsn), {.name = "dsn",
                                                      .type = KeyType::kText,
                                                      .doc = "Connection string of libpq. Empty: no PostgreSQL.",
                                                      .example = "\"host=/run/postgresql dbname=cairn user=cairn\"",
                                                      .secret = true}),
          make_key<Config>(
              CAIRN_AT(engine.sql.required),
              {.name = "required",
               .type = KeyType::kBool,
               .doc = "Whether /readyz fails while interactions cannot be written until somebody mends something, "
                      "such as a right or a column that is missing. Answers do not need PostgreSQL."}),
          make_key<Config>(CAIRN_AT(engine.sql.schema), {.name = "schema",
                                                         .type = KeyType::kText,
                                                         .doc = "Schema of Cairn's tables; created when absent.",
                                                         .complaint = identifier_complaint}),
          make_key<Config>(
              CAIRN_AT(engine.sql.pool_size),
              {.name = "pool_size", .type = KeyType::kInteger, .doc = "Most connections.", .min = 1, .max = 100}),
          make_key<Config>(CAIRN_AT(engine.sql.partitions_ahead_months),
                           {.name = "partitions_ahead_months",
                            .type = KeyType::kInteger,
                            .doc = "Month partitions kept ready beyond the current month.",
                            .min = 0,
                            .max = 120}),
          make_key<Config>(CAIRN_AT(engine.sql.partitions_max),
                           {.name = "partitions_max",
                            .type = KeyType::kInteger,
                            .doc = "Most month partitions that the times in a stream may cause.",
                            .min = 1,
                            .max = 12'000}),
          make_key<Config>(CAIRN_AT(engine.sql.statement_timeout),
                           {.name = "statement_timeout",
                            .type = KeyType::kDuration,
                            .doc = "A statement that takes longer is given up and tried again.",
                            .min = 100,
                            .max = kHour}),
          make_key<Config>(CAIRN_AT(engine.sql.batch_rows_max), {.name = "batch_rows_max",
                                                                 .type = KeyType::kInteger,
                                                                 .doc = "Most interactions in one transaction.",
                                                                 .min = 1,
                                                                 .max = 1'000'000}),
          make_key<Config>(CAIRN_AT(engine.sql.shared),
                           {.name = "shared",
                            .type = KeyType::kBool,
                            .doc = "Several state directories write into this schema, and all say so here. A source "
                                   "that several read under one name is then written once, and of a place that "
                                   "several catalogues have the row written last stands. false: the schema belongs "
                                   "to one state directory; another one is refused (`cairn sql adopt` hands over)."}),
      }};
}

}  // namespace cairn::config
