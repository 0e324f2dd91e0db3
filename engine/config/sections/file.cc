#include "engine/config/sections/complaints.h"
#include "engine/config/sections/on_gap.h"
#include "engine/config/sections/sections.h"

namespace cairn::config {

RecordTable<FileSourceOptions> make_file_table() {
  return {"file",
          "A file of interactions, one JSON object a line, plain or gzip. Give one such table per file, and append new "
          "ones: a file's place in the list is stored with its offsets.",
          {
              make_key<FileSourceOptions>(CAIRN_AT(name),
                                          {.name = "name",
                                           .type = KeyType::kText,
                                           .doc = "Name of the source, unique. Offsets are stored under it.",
                                           .example = "\"events\"",
                                           .required = true,
                                           .complaint = source_name_complaint}),
              make_key<FileSourceOptions>(CAIRN_AT(path), {.name = "path",
                                                           .type = KeyType::kText,
                                                           .doc = "The file.",
                                                           .example = "\"/var/log/app/events.ndjson\"",
                                                           .required = true,
                                                           .complaint = path_complaint}),
              make_key<FileSourceOptions>(
                  CAIRN_AT(follow), {.name = "follow",
                                     .type = KeyType::kBool,
                                     .doc = "Wait for growth and rotation. false: the source ends at the file's end."}),
              make_choice<FileSourceOptions>(
                  CAIRN_AT(on_gap), on_gap_words(),
                  {.name = "on_gap",
                   .doc = "When the file was shortened below what was read of it. stop: wait for `cairn consumer "
                          "accept-gap`. accept: go on with what is written from now on. Another file in its place "
                          "waits in any case."}),
              make_key<FileSourceOptions>(
                  CAIRN_AT(required), {.name = "required",
                                       .type = KeyType::kBool,
                                       .doc = "Whether /readyz fails while features cannot be read from the file until "
                                              "somebody mends something: it is not there, or was shortened."}),
          },
          {}};
}

}  // namespace cairn::config
